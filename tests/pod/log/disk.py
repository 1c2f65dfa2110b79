"""A disk in memory that journals every call, and can be found as a power failure after any of them would leave it.

What was synced is there. What was not may be there or not, each sector of each write and each change of a folder on its
own: devices and file systems reorder. Lost sectors before the end of a file read as zeros. A sector that is overwritten
holds the old bytes or the new ones.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from random import Random
from typing import TYPE_CHECKING

from pod.io import FileStatus

if TYPE_CHECKING:
    from typing_extensions import Buffer

SECTOR_BYTES = 512

Fate = Callable[[], str]
"""Decides of one unsynced sector or folder change: "kept", "lost" or "zeros" (of a sector: its file grew, no more)."""


@dataclass(eq=False)
class Inode:
    data: bytearray = field(default_factory=bytearray)
    links: int = 0
    locked: bool = False
    mode: int = 0o600


@dataclass(frozen=True)
class Change:
    """One call that changes something; `inode` and `folder` are what it changes."""

    kind: str
    folder: PurePosixPath | None = None
    inode: Inode | None = None
    name: str = ""
    target: str = ""
    offset: int = 0
    data: bytes = b""


class DiskFile:
    def __init__(self, disk: Disk, inode: Inode, *, write: bool) -> None:
        self._disk = disk
        self._inode = inode
        self._write = write
        self._locks = False
        self._open = True

    def status(self) -> FileStatus:
        self._disk.call("status")
        return FileStatus(len(self._inode.data), self._inode.links, self._inode.mode)

    def read(self, offset: int, length: int) -> bytes:
        assert self._open
        self._disk.call("read")
        return bytes(self._inode.data[offset : offset + length])

    def read_into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        done = 0
        for buffer in buffers:
            data = self.read(offset + done, len(buffer))
            buffer[: len(data)] = data
            done += len(data)
        return done

    def write(self, offset: int, parts: Sequence[Buffer]) -> int:
        assert self._open
        assert self._write
        data = b"".join(bytes(part) for part in parts)
        grows = offset + len(data) > len(self._inode.data)
        written = self._disk.call("write", len(data), grows=grows)
        self._disk.apply(Change("write", inode=self._inode, offset=offset, data=data[:written]))
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)

    def truncate(self, size_bytes: int) -> None:
        assert self._write
        self._disk.call("truncate")
        self._disk.apply(Change("truncate", inode=self._inode, offset=size_bytes))

    def sync(self) -> None:
        self._disk.call("sync")
        self._disk.apply(Change("sync", inode=self._inode))

    def hurry(self, offset: int, length: int) -> None:
        self._disk.call("hurry")

    def lock(self, timeout_s: float) -> bool:
        self._disk.call("lock")
        if self._inode.locked:
            return False
        self._inode.locked = self._locks = True
        return True

    def close(self) -> None:
        self._open = False
        if self._locks:
            self._inode.locked = self._locks = False


class Disk:
    """Files and folders in memory.

    Attributes
    ----------
    journal
        Every change so far.
    fails
        Asked before every call with its kind and number; an errno makes it fail.
    """

    def __init__(self) -> None:
        self.folders: dict[PurePosixPath, dict[str, Inode]] = {PurePosixPath("/"): {}}
        self.journal: list[Change] = []
        self.calls = 0
        self.fails: Callable[[str, int], int | None] = lambda kind, number: None

    # --- as a store sees it ------------------------------------------------------------------------------

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> DiskFile:
        self.call("create" if create else "open for writing" if write else "open")
        folder = self._folder(path.parent)
        inode = folder.get(path.name)
        if inode is None:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            inode = Inode()
            self.apply(Change("create", folder=PurePosixPath(path.parent), name=path.name, inode=inode))
        return DiskFile(self, inode, write=write or create)

    def names(self, folder: Path) -> list[str]:
        self.call("names")
        return sorted(self._folder(folder))

    def make_folder(self, folder: Path) -> None:
        self.call("make_folder")
        parent = self._folder(folder.parent)
        if folder.name in parent or PurePosixPath(folder) in self.folders:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
        self.apply(Change("make_folder", folder=PurePosixPath(folder.parent), name=folder.name))

    def make_private(self, folder: Path) -> None:
        self.call("make_private")
        self._folder(folder)

    def replace(self, source: Path, target: Path) -> None:
        assert source.parent == target.parent
        self.call("replace")
        self._inode(source)
        self.apply(
            Change("replace", folder=PurePosixPath(source.parent), name=source.name, target=target.name)
        )

    def delete(self, path: Path) -> None:
        self.call("delete")
        self._inode(path)
        self.apply(Change("delete", folder=PurePosixPath(path.parent), name=path.name))

    def sync_folder(self, folder: Path) -> None:
        self.call("sync_folder")
        self._folder(folder)
        self.apply(Change("sync_folder", folder=PurePosixPath(folder)))

    # --- as a test sees it -------------------------------------------------------------------------------

    def call(self, kind: str, length: int = 0, *, grows: bool = False) -> int:
        """Count a call, or fail; return how much of a write is done before it fails: half where the file grows."""
        self.calls += 1
        number = self.fails(kind, self.calls)
        if number is not None:
            if grows and length > 1 and number == errno.ENOSPC:
                return length // 2
            raise OSError(number, os.strerror(number))
        return length

    def apply(self, change: Change) -> None:
        self.journal.append(change)
        _perform(self.folders, change)

    def content(self, path: Path) -> bytearray:
        return self._inode(path).data

    def files(self) -> dict[PurePosixPath, Inode]:
        return {
            folder / name: inode for folder, names in self.folders.items() for name, inode in names.items()
        }

    def _folder(self, folder: Path) -> dict[str, Inode]:
        found = self.folders.get(PurePosixPath(folder))
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        return found

    def _inode(self, path: Path) -> Inode:
        inode = self._folder(path.parent).get(path.name)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return inode


def _perform(folders: dict[PurePosixPath, dict[str, Inode]], change: Change) -> None:
    if change.inode is not None and change.kind != "create":
        data = change.inode.data
        if change.kind == "write":
            _overwrite(data, change.offset, change.data)
        elif change.kind == "truncate":
            _overwrite(data, change.offset, b"")
            del data[change.offset :]
        return
    assert change.folder is not None
    if change.kind == "make_folder":
        folders.setdefault(change.folder / change.name, {})
        return
    names = folders.setdefault(change.folder, {})
    if change.kind == "create":
        assert change.inode is not None
        _name(names, change.name, change.inode)
    elif change.kind == "replace" and change.name in names:
        inode = names[change.name]
        _name(names, change.target, inode)
        _unname(names, change.name)
    elif change.kind == "delete":
        _unname(names, change.name)


def _name(names: dict[str, Inode], name: str, inode: Inode) -> None:
    inode.links += 1
    _unname(names, name)
    names[name] = inode


def _unname(names: dict[str, Inode], name: str) -> None:
    inode = names.pop(name, None)
    if inode is not None:
        inode.links -= 1


def _overwrite(data: bytearray, offset: int, new: bytes) -> None:
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(new)] = new


@dataclass(frozen=True)
class Image:
    """What a disk held at one time."""

    folders: dict[PurePosixPath, dict[str, Inode]]
    contents: dict[Inode, bytes]

    @classmethod
    def of(cls, disk: Disk) -> Image:
        folders = {folder: dict(names) for folder, names in disk.folders.items()}
        return cls(folders, {inode: bytes(inode.data) for inode in disk.files().values()})


EMPTY = Image.of(Disk())


def after_crash(journal: Sequence[Change], fate: Fate, base: Image = EMPTY) -> Disk:
    """Return the disk as a power failure after these changes to `base` would leave it."""
    twins: dict[Inode, Inode] = {}

    def twin(inode: Inode) -> Inode:
        if inode not in twins:
            twins[inode] = Inode(bytearray(base.contents.get(inode, b"")))
        return twins[inode]

    disk = Disk()
    for folder, names in base.folders.items():
        disk.folders[folder] = {}
        for name, inode in names.items():
            _name(disk.folders[folder], name, twin(inode))
    for change in _survivors(journal, fate, base):
        inode = None if change.inode is None else twin(change.inode)
        _perform(
            disk.folders,
            Change(change.kind, change.folder, inode, change.name, change.target, change.offset, change.data),
        )
    return disk


def _survivors(journal: Sequence[Change], fate: Fate, base: Image) -> Iterable[Change]:
    """Yield what reached the disk, in order."""
    syncs: dict[object, int] = {}
    for number, change in enumerate(journal):
        if change.kind in ("sync", "sync_folder"):
            syncs[change.inode or change.folder] = number
    sizes = {inode: len(data) for inode, data in base.contents.items()}
    grown = dict(sizes)
    for number, change in enumerate(journal):
        if change.kind == "sync_folder":
            continue
        if change.inode is not None and change.kind != "create":
            grown[change.inode] = max(grown.get(change.inode, 0), change.offset + len(change.data))
        if change.kind == "sync" and change.inode is not None:
            sizes[change.inode] = grown[change.inode]
            continue
        of_file = change.kind in ("write", "truncate")
        synced = syncs.get(change.inode if of_file else change.folder, -1) > number
        if synced:
            yield change
        elif change.kind == "write" and change.inode is not None:
            yield from _sectors(change, fate, sizes.get(change.inode, 0))
        elif fate() == "kept":
            yield change


def _sectors(change: Change, fate: Fate, synced_bytes: int) -> Iterable[Change]:
    start, end = change.offset, change.offset + len(change.data)
    while start < end:
        stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        what = fate()
        if what == "kept" or (what == "zeros" and start >= synced_bytes):
            data = change.data[start - change.offset : stop - change.offset]
            if what == "zeros":
                data = bytes(len(data))
            yield Change("write", inode=change.inode, offset=start, data=data)
        start = stop


def fates(seed: int) -> Fate:
    """Return one of many fates: 0 loses all that is unsynced, 1 keeps it, the others are random."""
    if seed == 0:
        return lambda: "lost"
    if seed == 1:
        return lambda: "kept"
    random = Random(seed)
    kept = random.choice([0.1, 0.5, 0.9])

    def fate() -> str:
        if random.random() < kept:
            return "kept"
        return random.choice(["lost", "lost", "zeros"])

    return fate
