"""What all systems share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.systems.pod._base import bytes_below


def test_a_folder_is_as_large_as_its_files(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "file").write_bytes(b"12")
    (tmp_path / "below" / "file").write_bytes(b"345")

    assert bytes_below(tmp_path) == 5


def test_a_file_that_goes_while_the_folder_is_walked_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"12")
    walk = os.walk

    def slow(folder: Path) -> Iterator[Any]:
        for parent, folders, files in walk(folder):
            yield parent, folders, [*files, "gone"]

    monkeypatch.setattr(os, "walk", slow)

    assert bytes_below(tmp_path) == 2
