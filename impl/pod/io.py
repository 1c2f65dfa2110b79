"""The one seam through which a store reads and writes.

Everything a store does to a disk is a call of an :class:`IO` or of a :class:`File` that it opened; nothing else in
pod touches a file of a store. Tests put another `IO` in its place that records every call, leaves behind what a power
failure after any of them would, or fails like a full disk.

What survives a power failure is what POSIX promises and no more: a file's bytes after its `sync`, a folder's names
after its `sync_folder`. `replace` is atomic: either the old file or the new one bears the name. Errors are `OSError`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Buffer

__all__ = ["IO", "OS", "File", "FileStatus", "make_folders"]

_MOST_PARTS = 1024  # of one writev or readv, as Linux has it
_LONGEST_WAIT_S = 0.05
_sync = os.fdatasync if sys.platform == "linux" else os.fsync


class FileStatus(NamedTuple):
    """What is known of an open file: its size, the number of its names (0: deleted), its permissions."""

    size_bytes: int
    links: int
    mode: int


class File(Protocol):
    """An open file. Positions are explicit, so threads and forked processes may share it."""

    def status(self) -> FileStatus:
        """Return what is known of the file."""

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`, fewer at the end of the file."""

    def read_into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        """Fill the buffers one after the other; return the bytes read, fewer at the end of the file."""

    def write(self, offset: int, parts: Sequence[Buffer]) -> int:
        """Write all parts one after the other; return the bytes written."""

    def truncate(self, size_bytes: int) -> None:
        """Cut the file."""

    def sync(self) -> None:
        """Return once the file's bytes and size are on the disk."""

    def hurry(self, offset: int, length: int) -> None:
        """Let the disk begin to take bytes that a `sync` will wait for; a hint that promises nothing."""

    def lock(self, timeout_s: float) -> bool:
        """Take the file's exclusive lock, which lasts until `close` or the process's end; False: it is taken."""

    def close(self) -> None:
        """Close the file, without a sync."""


class IO(Protocol):
    """What a store needs of a disk."""

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> File:
        """Open a file; `create` makes a missing one, 0600."""

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, sorted."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder, 0700."""

    def make_private(self, folder: Path) -> None:
        """Let nobody but its user into a folder; one that is another user's stays as it is."""

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file, over `target` if there is one."""

    def delete(self, path: Path) -> None:
        """Delete a file."""

    def sync_folder(self, folder: Path) -> None:
        """Return once the folder's names are on the disk."""


class _OSFile:
    """A file of the operating system."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def status(self) -> FileStatus:
        found = os.fstat(self._descriptor)
        return FileStatus(found.st_size, found.st_nlink, stat.S_IMODE(found.st_mode))

    def read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, offset)
        if len(data) == length or not data:
            return data
        whole = bytearray(length)
        whole[: len(data)] = data
        rest = self.read_into(offset + len(data), [memoryview(whole)[len(data) :]])
        return bytes(whole[: len(data) + rest])

    def read_into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        done = 0
        rest = [memoryview(buffer).cast("B") for buffer in buffers if len(buffer)]
        while rest:
            got = os.preadv(self._descriptor, rest[:_MOST_PARTS], offset + done)
            if got == 0:
                break
            done += got
            _drop(rest, got)
        return done

    def write(self, offset: int, parts: Sequence[Buffer]) -> int:
        done = 0
        rest = [view for view in (memoryview(part).cast("B") for part in parts) if len(view)]
        while rest:
            written = os.pwritev(self._descriptor, rest[:_MOST_PARTS], offset + done)
            done += written
            _drop(rest, written)
        return done

    def truncate(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)

    def sync(self) -> None:
        _sync(self._descriptor)

    def hurry(self, offset: int, length: int) -> None:
        if sys.platform == "linux":  # where dirty pages are written because of it, and stay
            with suppress(OSError):
                os.posix_fadvise(self._descriptor, offset, length, os.POSIX_FADV_DONTNEED)

    def lock(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        wait_s = 0.0005
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            else:
                return True

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def _drop(parts: list[memoryview], size_bytes: int) -> None:
    """Take the first bytes off a list of buffers."""
    whole = 0
    while whole < len(parts) and size_bytes >= len(parts[whole]):
        size_bytes -= len(parts[whole])
        whole += 1
    del parts[:whole]
    if size_bytes:
        parts[0] = parts[0][size_bytes:]


class _OS:
    """The operating system's disks."""

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> File:
        flags = (os.O_RDWR if write or create else os.O_RDONLY) | (os.O_CREAT if create else 0)
        return _OSFile(os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))

    def names(self, folder: Path) -> list[str]:
        return sorted(os.listdir(folder))  # noqa: PTH208  (names, not paths)

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)

    def make_private(self, folder: Path) -> None:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & 0o077:
            with suppress(PermissionError):
                folder.chmod(mode & ~0o077)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def delete(self, path: Path) -> None:
        path.unlink()

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


OS: Final[IO] = _OS()
"""The operating system."""


def make_folders(io: IO, folder: Path) -> None:
    """Make a folder and its missing parents so that they survive a power failure; one that is there is no error."""
    missing: list[Path] = []
    while not _made(io, folder):
        if folder.parent == folder:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        missing.append(folder)
        folder = folder.parent
    for child in reversed(missing):
        if not _made(io, child):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(child))


def _made(io: IO, folder: Path) -> bool:
    """Make a folder, unless it is there; False: there is none to make it in, or that takes none."""
    try:
        io.make_folder(folder)
    except FileNotFoundError:
        return False
    except FileExistsError:
        return True
    io.sync_folder(folder.parent)
    return True
