"""Files that are there in full or not at all: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

__all__ = ["append_line", "sync_tree", "write_json", "write_text"]


def write_text(path: Path, text: str) -> None:
    """Write a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: object) -> None:
    """Write JSON in one step."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def append_line(path: Path, value: object) -> None:
    """Append one JSON line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(value, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def sync_tree(folder: Path) -> None:
    """Sync all files of a folder, those below it, and the folders themselves."""
    for parent, _folders, files in os.walk(folder, topdown=False):
        for name in files:
            with (Path(parent) / name).open("rb") as file:
                os.fsync(file.fileno())
        _sync_folder(Path(parent))
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
