"""Disks that fail: every byte of a store goes through `pod.io`, so one can be put between."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pod.io import OS, FileStatus

__all__ = ["BrokenDisk"]


class BrokenDisk:
    """The operating system's disk until it is told to fail.

    ``fill(bytes)`` leaves room for so many bytes more; ``fail(errno, after)`` fails each write, sync, rename and new
    file after so many have gone through; ``mend()`` makes it whole.
    """

    def __init__(self) -> None:
        self.changes = 0
        self.said: list[str] = []
        self._room: int | None = None
        self._error = 0
        self._after = 0

    def fill(self, room_bytes: int = 0) -> None:
        self._room = room_bytes

    def fail(self, error: int, after: int = 0) -> None:
        self._error, self._after, self.changes = error, after, 0

    def mend(self) -> None:
        self._room, self._error = None, 0

    def change(self, what: str) -> None:
        """Called before each change to the disk."""
        self.changes += 1
        self.said.append(what)
        if self._error and self.changes > self._after:
            raise OSError(self._error, os.strerror(self._error))

    def take(self, parts: Sequence[Any]) -> list[Any]:
        """Return what of the parts still finds room; a full disk takes a part of a write."""
        if self._room is None:
            return list(parts)
        kept = []
        for part in parts:
            view = memoryview(part).cast("B")[: self._room]
            self._room -= len(view)
            kept.append(view)
        return kept

    def full(self) -> OSError:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # -- pod.io.IO ------------------------------------------------------------------------------------------------

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> Any:
        if create and not path.exists():
            self.change("open")
            if self._room is not None and self._room <= 0:
                raise self.full()
        return _BrokenFile(self, OS.open(path, write=write, create=create))

    def make_folder(self, folder: Path) -> None:
        self.change("make_folder")
        OS.make_folder(folder)

    def replace(self, source: Path, target: Path) -> None:
        self.change("replace")
        OS.replace(source, target)

    def delete(self, path: Path) -> None:
        self.change("delete")
        OS.delete(path)

    def sync_folder(self, folder: Path) -> None:
        self.change("sync_folder")
        OS.sync_folder(folder)

    def __getattr__(self, name: str) -> Any:
        return getattr(OS, name)  # what only reads


class _BrokenFile:
    def __init__(self, disk: BrokenDisk, file: Any) -> None:
        self._disk = disk
        self._file = file

    def status(self) -> FileStatus:
        status: FileStatus = self._file.status()
        return status

    def write(self, offset: int, parts: Sequence[Any]) -> int:
        self._disk.change("write")
        wanted = sum(memoryview(part).nbytes for part in parts)
        written: int = self._file.write(offset, self._disk.take(parts))
        if written < wanted:
            raise self._disk.full()
        return written

    def truncate(self, size_bytes: int) -> None:
        self._disk.change("truncate")
        self._file.truncate(size_bytes)

    def sync(self) -> None:
        self._disk.change("sync")
        self._file.sync()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
