"""Packing a folder into a new version.

Two passes: the first walks the tree and numbers its nodes breadth first; the second reads the files depth first, each
folder's files before its folders (the order in which an image folder is listed), hashes their entries and streams
them into packs. The manifest is written last, with one conditional put: a version is there whole or not at all.
"""

import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from blake3 import blake3

from pond.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidArgument,
    NoSpace,
    NoSuchBucket,
    NotFound,
    PondError,
)
from pond.format import (
    BLOCK_BYTES,
    PACK_HEADER_BYTES,
    ROOT,
    Extent,
    ManifestBuilder,
    Node,
    Pack,
    VersionInfo,
    pack_header,
)
from pond.store import FileStore, ObjectStore
from pond.volume._address import PACKS, check_version_name, manifest_key
from pond.volume._volume import Volume

PACK_BYTES = 1 << 30
"""A pack is closed with the block that brings it to this size: a large file lies in several."""

Progress = Callable[[int, int], None]
"""Told how many more files and bytes are packed."""

_NOT_PUBLISHED = (AccessDenied, AlreadyExists, InvalidArgument, NoSpace, NotFound)
"""What says for certain that a version is not there. After anything else (no answer, Ctrl-C) it may be: its packs stay."""

_CHANGED = "changed while it was being packed; try again"

_CONTROL_NAMES = (b".version", b".commit", b".clearcache", b".prom")


def create_version(
    volume: Volume,
    source: Path,
    version: str,
    *,
    message: str = "",
    progress: Progress = lambda _files, _bytes: None,
    on_skip: Callable[[bytes], None] = lambda _path: None,
    clock_ns: Callable[[], int] = time.time_ns,
) -> VersionInfo:
    """Pack the tree below ``source`` into a new version of a volume.

    Parameters
    ----------
    volume
        Where to; it is made with its first version.
    source
        A folder. Files, folders and symbolic links are kept, with modes and modification times.
    version
        Name of the version.
    message
        Stored with it.
    progress
        Told of every file.
    on_skip
        Told the path of every socket, device or pipe, which are left out.

    Returns
    -------
    VersionInfo

    Raises
    ------
    AlreadyExists
        The volume has a version of that name.
    InvalidArgument
        The name or the source cannot be used, or a file changed while it was read.

    Notes
    -----
    Durable when it returns. When it raises, or is interrupted, the packs written so far are deleted again, unless the
    version may have been published all the same.
    """
    check_version_name(version)
    if not message.isascii() and message != message.encode(errors="replace").decode():
        raise InvalidArgument(f"the message {message!r} is not text")
    if not os.path.isdir(source):  # noqa: PTH112  (unlike Path.is_dir, it never raises)
        raise NotFound(f"{source}: no such folder")
    _check_apart(volume.store, source)
    try:
        if volume.has(version):
            raise AlreadyExists(f"{volume.url}: version {version!r} exists already; choose another name")
        latest = volume.latest()
    except NoSuchBucket:
        raise
    except NotFound:
        latest = None  # a folder that is not there yet
    builder = ManifestBuilder()
    try:
        _scan(builder, os.fsencode(source), on_skip)
        writer = _PackWriter(volume.store, builder, os.fsencode(source), progress)
        try:
            files, size = writer.write()
            info = VersionInfo(
                version=version,
                parent=latest.version if latest else None,
                time_ns=max(clock_ns(), latest.time_ns + 1 if latest else 0),
                message=message,
                files=files,
                bytes=size,
            )
            manifest = builder.render(info)
        except BaseException:
            writer.undo()
            raise
        try:
            volume.store.put_if_absent(manifest_key(version), manifest)
        except _NOT_PUBLISHED:
            writer.undo()
            raise
    except FileNotFoundError as error:
        raise InvalidArgument(f"{os.fsdecode(error.filename)}: {_CHANGED}") from error
    except OSError as error:
        name = os.fsdecode(error.filename) if error.filename else str(source)
        raise AccessDenied(f"{name}: {error.strerror}") from error
    return info


def _check_apart(store: ObjectStore, source: Path) -> None:
    """Raise if a volume would be packed into itself."""
    if isinstance(store, FileStore) and store.folder.resolve().is_relative_to(source.resolve()):
        raise InvalidArgument(
            f"{store.url}: lies inside the folder to be packed, {source}; choose another place"
        )


def _scan(builder: ManifestBuilder, source: bytes, on_skip: Callable[[bytes], None]) -> None:
    """Number the nodes of a tree breadth first. Files get their entries later."""
    nodes = builder.nodes
    root = os.stat(source)  # noqa: PTH116  (bytes paths: names need not be text)
    nodes.append(Node(b"", ROOT, root.st_mode, root.st_mtime_ns, 0, 0))
    folders = [(ROOT, source)]
    for number, path in folders:
        first = len(nodes)
        with os.scandir(path) as listing:
            children = sorted(listing, key=lambda child: child.name)
        for child in children:
            if number == ROOT and child.name in _CONTROL_NAMES:
                raise InvalidArgument(
                    f"{os.fsdecode(child.path)}: the name is taken by a control file of the mount; rename it"
                )
            state = child.stat(follow_symlinks=False)
            size, start = state.st_size, 0
            if stat.S_ISDIR(state.st_mode):
                folders.append((len(nodes), child.path))
            elif stat.S_ISLNK(state.st_mode):
                target = os.readlink(child.path)  # noqa: PTH115
                size, start = len(target), builder.add_target(target)
            elif not stat.S_ISREG(state.st_mode):
                on_skip(child.path)
                continue
            nodes.append(Node(child.name, number, state.st_mode, state.st_mtime_ns, size, start))
        nodes[number] = replace(nodes[number], first=first, size=len(nodes) - first)


class _PackWriter:
    """Streams the files of a scanned tree into packs and records their entries."""

    def __init__(
        self, store: ObjectStore, builder: ManifestBuilder, source: bytes, progress: Progress
    ) -> None:
        self._store = store
        self._builder = builder
        self._source = source
        self._progress = progress
        self._keys: list[str] = []
        self._count = 0
        self._size_bytes = 0

    def write(self) -> tuple[int, int]:
        """Write all packs; return the number of files and their bytes."""
        blocks = self._blocks()
        block = next(blocks, None)
        while block is not None:
            key = f"{PACKS}{uuid.uuid4().hex}.pack"
            number = len(self._keys)
            self._keys.append(key)
            following: list[bytes | None] = [None]

            def body(
                block: bytes | None = block, number: int = number, following: list[bytes | None] = following
            ) -> Iterator[bytes]:
                yield pack_header()
                offset = PACK_HEADER_BYTES
                while block is not None and offset < PACK_BYTES:
                    self._builder.add_entry(Extent(number, offset, len(block)), blake3(block).digest())
                    yield block
                    offset += len(block)
                    block = next(blocks, None)
                following[0] = block

            stored = self._store.put(key, body())
            self._builder.add_pack(Pack(key, stored.etag, stored.size_bytes))
            block = following[0]
        return self._count, self._size_bytes

    def undo(self) -> None:
        """Delete the packs written so far; what cannot be deleted is garbage that nothing refers to."""
        for key in self._keys:
            try:
                self._store.delete(key)
            except PondError:
                continue

    def _files(self, top: int, path: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield files depth first, each folder's own files before its folders."""
        nodes = self._builder.nodes
        stack = [(top, path)]
        while stack:
            folder, base = stack.pop()
            first = nodes[folder].first
            children = range(first, first + nodes[folder].size)
            for child in children:
                if stat.S_ISREG(nodes[child].mode):
                    yield child, base + b"/" + nodes[child].name
            stack.extend(
                (child, base + b"/" + nodes[child].name)
                for child in reversed(children)
                if stat.S_ISDIR(nodes[child].mode)
            )

    def _blocks(self) -> Iterator[bytes]:
        """Read all files block by block; each block's entry must be added before the next is asked for."""
        builder = self._builder
        for node, path in self._files(ROOT, self._source):
            scanned = builder.nodes[node]
            builder.nodes[node] = replace(scanned, first=builder.entries)
            got = 0
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123
                while got < scanned.size:
                    block = _read_block(file.fileno(), min(BLOCK_BYTES, scanned.size - got))
                    if not block:
                        break
                    got += len(block)
                    yield block
                state = os.fstat(file.fileno())
            if got != scanned.size or (state.st_size, state.st_mtime_ns) != (scanned.size, scanned.mtime_ns):
                raise InvalidArgument(f"{os.fsdecode(path)}: {_CHANGED}")
            self._count += 1
            self._size_bytes += got
            self._progress(1, got)


def _read_block(descriptor: int, length: int) -> bytes:
    """Read exactly ``length`` bytes unless the file ends before."""
    data = os.read(descriptor, length)
    while len(data) < length:
        more = os.read(descriptor, length - len(data))
        if not more:
            break
        data += more
    return data
