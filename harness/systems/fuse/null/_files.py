"""A tree of files in memory, with just what pond's FUSE engine asks of a file system."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pond.filesystem import ROOT_INO, Attributes, Read, Usage

__all__ = ["MemoryFiles"]

_BLOCK_BYTES: Final = 1 << 20
_SECTOR_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class _Node:
    attributes: Attributes
    data: bytes = b""
    children: dict[bytes, int] = field(default_factory=dict)


class MemoryFiles:
    """Folders and regular files, read once; an inode is its own handle."""

    serial: Final = False

    def __init__(self, folder: Path) -> None:
        self._nodes: dict[int, _Node] = {}
        self._load(folder)

    def _load(self, path: Path) -> int:
        ino = len(self._nodes) + ROOT_INO
        status = path.stat()
        data = b"" if path.is_dir() else path.read_bytes()
        attributes = Attributes(
            ino=ino,
            mode=stat.S_IFMT(status.st_mode) | (0o555 if path.is_dir() else 0o444),
            size=len(data),
            mtime_ns=status.st_mtime_ns,
            links=1,
            blocks=-(-len(data) // _SECTOR_BYTES),
            block_bytes=_BLOCK_BYTES,
        )
        node = self._nodes[ino] = _Node(attributes, data)
        if path.is_dir():
            for child in sorted(path.iterdir()):
                node.children[os.fsencode(child.name)] = self._load(child)
        return ino

    def _node(self, ino: int) -> _Node:
        try:
            return self._nodes[ino]
        except KeyError:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT)) from None

    def lookup(self, folder_ino: int, name: bytes) -> Attributes:
        """Return the attributes of a name in a folder."""
        return self.attributes(self._node(folder_ino).children.get(name, 0))

    def attributes(self, ino: int) -> Attributes:
        """Return the attributes of an inode."""
        return self._node(ino).attributes

    def children(self, folder_ino: int, start: int) -> Iterator[tuple[bytes, Attributes, int]]:
        """Yield name, attributes and the number to go on from, of a folder's children from number ``start`` on."""
        names = list(self._node(folder_ino).children.items())
        for number, (name, ino) in enumerate(names[start:], start + 1):
            yield name, self.attributes(ino), number

    def usage(self) -> Usage:
        """Return the bytes and nodes of the tree."""
        return Usage(sum(len(node.data) for node in self._nodes.values()), len(self._nodes))

    def open(self, ino: int, flags: int) -> int:
        """Return the inode as its own handle."""
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return self.attributes(ino).ino

    def is_control(self, ino: int) -> bool:
        """Say that no file is a control file."""
        return False

    def may_keep_pages(self, ino: int) -> bool:
        """Say that no pages are kept."""
        return False

    def read(self, number: int, offset: int, length: int) -> Read:
        """Return bytes; what lies behind the end of the file is left off."""
        data = self._node(number).data
        return Read([data], min(offset, len(data)), max(0, min(length, len(data) - offset)))

    def release(self, number: int) -> None:
        """Do nothing: a handle is an inode."""
