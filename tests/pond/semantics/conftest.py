"""One mount that most promises are tried on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pond.volume import Volume, create_version
from tests.pond.mounts import Mount, mounted
from tests.pond.trees import everyday_tree, write_tree


@pytest.fixture(scope="package")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The everyday tree, and what is not kept of a folder."""
    folder = write_tree(tmp_path_factory.mktemp("semantics") / "source", everyday_tree())
    (folder / "hard").hardlink_to(folder / "a.txt")
    with (folder / "holes").open("wb") as file:
        file.truncate(1_000_000)
    (folder / "folder" / "one").chmod(0o640)
    os.utime(folder / "folder" / "one", ns=(5, 1_234_567_890_123_456_789))
    return folder


@pytest.fixture(scope="package")
def volume(source: Path) -> Volume:
    made = Volume.open(str(source.parent / "volume"))
    create_version(made, source, "v1")
    return made


@pytest.fixture(scope="package")
def mount(volume: Volume, source: Path) -> Iterator[Mount]:
    with mounted(f"{volume.url}@v1", source.parent / "mnt", "--prefetch", "none") as running:
        yield running
