"""Which files under a folder were opened, by whatever library: the kernel tells (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Final

from harness.errors import HarnessError
from harness.podworkloads._data import files_under

__all__ = ["OpenedFiles"]

_IN_OPEN: Final = 0x20
_IN_ISDIR: Final = 0x40000000
_HEADER: Final = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_EVENTS_BYTES: Final = 1 << 16
_SHARE: Final = 0.1


class OpenedFiles:
    """Watches the folders of all files under one folder. Python's audit hooks do not see what C libraries open.

    The kernel does not say who opened a file. One counts when this process has also read at least a tenth of its length
    meanwhile, so that what others open beside it does not.
    """

    def __init__(self, folder: Path | None) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise HarnessError(
                f"inotify: {os.strerror(ctypes.get_errno())}: raise fs.inotify.max_user_instances"
            )
        self._folders: dict[int, Path] = {}
        self._read_bytes = _read_bytes()
        files = files_under(folder) if folder is not None else ()
        real = {path.resolve().parent for path in files}  # links lead elsewhere
        for each in sorted(real):
            watch = libc.inotify_add_watch(self._descriptor, os.fsencode(each), _IN_OPEN)
            if watch >= 0:
                self._folders[watch] = each

    def since(self) -> dict[Path, int]:
        """Return the files that were opened since the last call, with their lengths in bytes."""
        before, self._read_bytes = self._read_bytes, _read_bytes()
        opened = self._opened()
        return {path: size for path, size in opened.items() if size * _SHARE <= self._read_bytes - before}

    def _opened(self) -> dict[Path, int]:
        found: dict[Path, int] = {}
        while True:
            try:
                events = os.read(self._descriptor, _EVENTS_BYTES)
            except BlockingIOError:
                return found
            place = 0
            while place < len(events):
                watch, mask, _, length = _HEADER.unpack_from(events, place)
                place += _HEADER.size
                name = events[place : place + length].rstrip(b"\0")
                place += length
                path = self._folders.get(watch, Path()) / os.fsdecode(name)
                if name and not mask & _IN_ISDIR and path.is_file():
                    found[path] = path.stat().st_size

    def __enter__(self) -> OpenedFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def _read_bytes() -> int:
    """Return how many bytes this process has read by now."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"])
