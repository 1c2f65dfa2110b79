"""Folders of synthetic data: there whole, with a digest of what was made, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.durable import write_json

__all__ = ["RECORD", "Maker", "Say", "files_under", "make_once", "silent"]

RECORD: Final = "data.json"
_BLOCK_BYTES: Final = 1 << 20

Say = Callable[[str], None]


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes one data set; equal scale and version give equal bytes.

    `version` is raised whenever `write` would make something else.
    """

    name: str
    version: int
    files: tuple[str, ...]
    """Under the folder, as the published data have them."""
    read: Mapping[str, tuple[str, ...]]
    """The files that the workload reads, and of tables the columns that must be there."""
    write: Callable[[Path, float, Say], None]
    bytes_at_full_scale: int


def files_under(folder: Path) -> list[Path]:
    """Return the data files under a folder, sorted: not notebooks, and nothing hidden."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name) for name in names if not name.startswith(".") and not name.endswith(".ipynb")
        ]
    return sorted(path for path in found if path.is_file())


def make_once(maker: Maker, folder: Path, scale: float, say: Say = silent) -> None:
    """Make a data set, unless it is there."""
    if (folder / RECORD).is_file():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        maker.write(partial, scale, say)
        write_json(
            partial / RECORD,
            {
                "name": maker.name,
                "version": maker.version,
                "scale": scale,
                "files": {name: _record(partial / name) for name in maker.files},
            },
        )
        _move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _move(partial: Path, folder: Path) -> None:
    partial.chmod(0o755)
    try:
        partial.rename(folder)
    except OSError:
        if not (folder / RECORD).is_file():  # else another process was faster, and made the same
            raise


def _record(path: Path) -> dict[str, object]:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
        os.fsync(file.fileno())
    return {"bytes": path.stat().st_size, "blake2b": digest.hexdigest()}
