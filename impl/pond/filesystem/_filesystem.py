"""Inodes, folders, handles and reads of a mounted version, without FUSE."""

import errno
import itertools
import os
import stat
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from pond.cache import EntryCache, Fetcher, Piece
from pond.filesystem._control import CONTROL_FOLDER_INO, ControlFile, control_files
from pond.format import BLOCK_BYTES, ROOT, Manifest
from pond.metrics import Metrics
from pond.prefetch import Prefetch

ROOT_INO = 1
_CONTROL_FOLDER_NAME = b".prom"
_FIRST_FILE_INO = 32
_SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Attributes:
    """What ``stat`` says. ``block_bytes`` is the size in which a reader should read."""

    ino: int
    mode: int
    size: int
    mtime_ns: int
    links: int
    blocks: int
    block_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What ``statvfs`` says of a version."""

    bytes: int
    nodes: int


class Snapshot:
    """A version together with what fetches it: what a handle keeps from open to release."""

    __slots__ = ("fetcher", "manifest", "prefetch")

    def __init__(self, fetcher: Fetcher, prefetch: Prefetch) -> None:
        self.fetcher = fetcher
        self.prefetch = prefetch
        self.manifest: Manifest = fetcher.version.manifest


@dataclass(frozen=True, slots=True)
class _Handle:
    snapshot: Snapshot
    node: int


class Read:
    """The bytes of a read, some of them perhaps on their way.

    Attributes
    ----------
    waiting : futures that must be done before ``result``
    """

    __slots__ = ("_length", "_offset", "_pieces", "waiting")

    def __init__(self, pieces: list[Piece], offset: int, length: int) -> None:
        self._pieces = pieces
        self._offset = offset
        self._length = length
        self.waiting: list[Future[bytes]] = [piece for piece in pieces if isinstance(piece, Future)]

    def result(self, timeout_s: float | None = None) -> bytes | memoryview:
        """Return the bytes.

        Raises
        ------
        PondError
            They could not be fetched, or are not what they should be.
        """
        parts = [piece.result(timeout_s) if isinstance(piece, Future) else piece for piece in self._pieces]
        if len(parts) == 1:
            if self._offset == 0 and self._length == len(parts[0]):
                return parts[0]
            return memoryview(parts[0])[self._offset : self._offset + self._length]
        return b"".join(parts)[self._offset : self._offset + self._length]


_NOTHING = Read([b""], 0, 0)


class Filesystem:
    """A read-only tree over one version. To be called from one thread, but for ``clear_cache``.

    Errors of the file system are ``OSError``; those of fetching come out of ``Read.result``.
    """

    def __init__(self, fetcher: Fetcher, prefetch: Prefetch, cache: EntryCache, metrics: Metrics) -> None:
        self._snapshot = Snapshot(fetcher, prefetch)
        self._cache = cache
        self._metrics = metrics
        self._handles: dict[int, _Handle | bytes] = {}
        self._numbers = itertools.count(1)
        self._mounted_ns = time.time_ns()
        files = control_files(self._version_text, self._clear_cache_text, metrics.render)
        self._controls: dict[int, ControlFile] = {file.ino: file for file in files}
        self._control_names = {(file.folder, file.name): file.ino for file in files}
        self._control_names[ROOT_INO, _CONTROL_FOLDER_NAME] = CONTROL_FOLDER_INO
        self._usage: Usage | None = None
        self._cleared = False
        self._fresh_inos: set[int] = set()  # opened since the cache was cleared

    # --- folders and attributes ----------------------------------------------------------------

    def lookup(self, folder_ino: int, name: bytes) -> Attributes:
        """Return the attributes of a name in a folder."""
        control = self._control_names.get((folder_ino, name))
        if control is not None:
            return self.attributes(control)
        if folder_ino == CONTROL_FOLDER_INO:
            raise _os_error(errno.ENOENT)
        manifest = self._snapshot.manifest
        folder = self._folder(folder_ino)
        if name == b".":
            return self.attributes(folder_ino)
        if name == b"..":
            return self._node_attributes(manifest, manifest.parent[folder])
        node = manifest.lookup(folder, name)
        if node is None:
            raise _os_error(errno.ENOENT)
        return self._node_attributes(manifest, node)

    def attributes(self, ino: int) -> Attributes:
        """Return the attributes of an inode."""
        if ino == CONTROL_FOLDER_INO:
            return Attributes(ino, stat.S_IFDIR | 0o555, 0, self._mounted_ns, 2, 0, BLOCK_BYTES)
        control = self._controls.get(ino)
        if control is not None:
            mode = 0o200 if control.content is None else 0o400 if control.name == b".clearcache" else 0o444
            return Attributes(ino, stat.S_IFREG | mode, 0, self._mounted_ns, 1, 0, BLOCK_BYTES)
        manifest = self._snapshot.manifest
        return self._node_attributes(manifest, self._node(ino))

    def children(self, folder_ino: int, start: int) -> Iterator[tuple[bytes, Attributes, int]]:
        """Yield name, attributes and the number to go on from, of a folder's children from number ``start`` on."""
        if folder_ino == CONTROL_FOLDER_INO:
            return
        manifest = self._snapshot.manifest
        nodes = manifest.children(self._folder(folder_ino))
        for index in range(start, len(nodes)):
            node = nodes[index]
            yield manifest.name(node), self._node_attributes(manifest, node), index + 1

    def target(self, ino: int) -> bytes:
        """Return the target of a symbolic link."""
        manifest = self._snapshot.manifest
        node = self._node(ino)
        if not stat.S_ISLNK(manifest.mode[node]):
            raise _os_error(errno.EINVAL)
        return manifest.target(node)

    def usage(self) -> Usage:
        """Return the bytes and nodes of the version."""
        if self._usage is None:
            manifest = self._snapshot.manifest
            self._usage = Usage(manifest.info.bytes, manifest.nodes)
        return self._usage

    # --- files ---------------------------------------------------------------------------------

    def open(self, ino: int, flags: int) -> int:
        """Return a new handle; it keeps the version that is mounted now."""
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_APPEND):
            raise _os_error(errno.EROFS)
        control = self._controls.get(ino)
        handle: _Handle | bytes
        if control is not None:
            if control.content is None:
                raise _os_error(errno.EROFS)
            handle = control.content()
        else:
            node = self._node(ino)
            if self._snapshot.manifest.is_folder(node):
                raise _os_error(errno.EISDIR)
            handle = _Handle(self._snapshot, node)
        number = next(self._numbers)
        self._handles[number] = handle
        return number

    def is_control(self, ino: int) -> bool:
        """Say whether an inode is a control file, which must not be cached by the kernel."""
        return ino < _FIRST_FILE_INO and ino != ROOT_INO

    def may_keep_pages(self, ino: int) -> bool:
        """Say whether the kernel may keep a file's pages at this open: not at the first after ``clear_cache``."""
        if not self._cleared or ino in self._fresh_inos:
            return True
        self._fresh_inos.add(ino)
        return False

    def read(self, number: int, offset: int, length: int) -> Read:
        """Start a read at a handle; what lies behind the end of the file is left off."""
        handle = self._handles.get(number)
        if handle is None:
            raise _os_error(errno.EBADF)
        if isinstance(handle, bytes):
            return Read([handle], min(offset, len(handle)), max(0, min(length, len(handle) - offset)))
        return self.read_node(handle.snapshot, handle.node, offset, length)

    def read_node(self, snapshot: Snapshot, node: int, offset: int, length: int) -> Read:
        """Start a read of a file of a version."""
        manifest = snapshot.manifest
        size = manifest.size[node]
        length = min(length, size - offset)
        if length <= 0:
            return _NOTHING
        first = manifest.first[node]
        end = offset + length
        entries = range(first + offset // BLOCK_BYTES, first + (end - 1) // BLOCK_BYTES + 1)
        inside = offset % BLOCK_BYTES
        prefetch = snapshot.prefetch
        widen = prefetch.widen if prefetch.serial else None
        pieces = snapshot.fetcher.demand(entries, continued=inside > 0, widen=widen)
        read = Read(pieces, inside, length)
        prefetch.on_read(
            node, entries, to_end=end == size or end % BLOCK_BYTES == 0, missed=bool(read.waiting)
        )
        self._metrics.reads.inc()
        self._metrics.bytes_served.inc(length)
        return read

    def path(self, number: int) -> str:
        """Return the path of an open file, for the log."""
        handle = self._handles.get(number)
        if isinstance(handle, _Handle):
            return os.fsdecode(handle.snapshot.manifest.path(handle.node))
        return f"handle {number}"

    @property
    def serial(self) -> bool:
        """Whether requests are to be served one at a time."""
        return self._snapshot.prefetch.serial

    def release(self, number: int) -> None:
        """Close a handle."""
        self._handles.pop(number, None)

    def clear_cache(self) -> int:
        """Drop all cached entries, and the kernel's pages at the next open; return the bytes dropped."""
        dropped = self._cache.clear()
        self._snapshot.prefetch.reset()
        self._cleared = True
        self._fresh_inos.clear()
        return dropped

    # --- inside --------------------------------------------------------------------------------

    def _version_text(self) -> bytes:
        return self._snapshot.manifest.info.version.encode() + b"\n"

    def _clear_cache_text(self) -> bytes:
        return b"cleared %d bytes\n" % self.clear_cache()

    def _node(self, ino: int) -> int:
        if ino == ROOT_INO:
            return ROOT
        node = self._snapshot.manifest.node_of_ino(ino)
        if node is None:
            raise _os_error(errno.ENOENT)
        return node

    def _folder(self, ino: int) -> int:
        node = self._node(ino)
        if not self._snapshot.manifest.is_folder(node):
            raise _os_error(errno.ENOTDIR)
        return node

    @staticmethod
    def _node_attributes(manifest: Manifest, node: int) -> Attributes:
        mode = manifest.mode[node]
        size = manifest.size[node]
        if stat.S_ISDIR(mode):
            return Attributes(manifest.ino[node], mode, 0, manifest.mtime_ns[node], 2, 0, BLOCK_BYTES)
        blocks = -(-size // _SECTOR_BYTES)
        return Attributes(manifest.ino[node], mode, size, manifest.mtime_ns[node], 1, blocks, BLOCK_BYTES)


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
