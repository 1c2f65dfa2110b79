"""Reading a manifest: a version answers three questions, look up, extents, digests."""

import json
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from pond.errors import CorruptData
from pond.format._layout import (
    BLOCK_BYTES,
    COLUMNS,
    DIGEST_BYTES,
    FORMAT_VERSION,
    HEADER_BYTES,
    MANIFEST_MAGIC,
    SECTION_BYTES,
    entry_count,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HEADER = struct.Struct("<8sIIQQ32s")
_SECTION = struct.Struct("<16sQQ32s")

ROOT = 0
"""The node of the root folder."""


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What a version says of itself.

    Attributes
    ----------
    version : name of the version
    parent : name of the version that was the latest when this one was made, or None
    time_ns : when it was made, nanoseconds since 1970; later than its parent's
    message : what its maker said of it
    files : number of regular files
    bytes : sum of their sizes
    """

    version: str
    parent: str | None
    time_ns: int
    message: str
    files: int
    bytes: int
    block_bytes: int = BLOCK_BYTES


class Extent(NamedTuple):
    """Where bytes lie: ``length`` bytes at ``offset`` of pack number ``pack``."""

    pack: int
    offset: int
    length: int


class Pack(NamedTuple):
    """An object that holds files' bytes; ``url`` is a key of the volume unless it has a scheme."""

    url: str
    etag: str
    length: int


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a manifest: enough to list versions without reading them whole."""

    info: VersionInfo
    head_bytes: int
    total_bytes: int
    sections: dict[str, tuple[int, int, bytes]]


def head_length(start: "Buffer", name: str) -> int:
    """Return the length of a manifest's head from its first 64 bytes.

    Raises
    ------
    CorruptData
        These are not the first bytes of a manifest, or of one that a newer pond wrote.
    """
    if len(memoryview(start)) < HEADER_BYTES or bytes(memoryview(start)[:8]) != MANIFEST_MAGIC:
        raise CorruptData(f"{name}: not a manifest of a pond version")
    _, version, _, total, head, _ = _HEADER.unpack_from(start)
    if version != FORMAT_VERSION:
        raise CorruptData(f"{name}: format {version}, this pond reads format {FORMAT_VERSION}; upgrade pond")
    if not HEADER_BYTES <= head <= total:
        raise CorruptData(f"{name}: the manifest's header is damaged")
    return int(head)


def read_head(data: "Buffer", name: str) -> Head:
    """Parse and verify the head of a manifest; ``data`` holds at least the head's bytes."""
    length = head_length(data, name)
    view = memoryview(data)
    if len(view) < length:
        raise CorruptData(f"{name}: the manifest is cut off")
    _, _, count, total, _, digest = _HEADER.unpack_from(view)
    if blake3(view[:32]).update(view[HEADER_BYTES:length]).digest() != digest:
        raise CorruptData(f"{name}: the manifest's head does not match its digest")
    sections = {}
    for i in range(count):
        raw, offset, size, section_digest = _SECTION.unpack_from(view, HEADER_BYTES + i * SECTION_BYTES)
        sections[raw.rstrip(b"\0").decode("ascii")] = (offset, size, section_digest)
    meta_offset, meta_size, _ = sections["meta"]
    meta = json.loads(bytes(view[meta_offset : meta_offset + meta_size]))
    try:
        info = VersionInfo(**meta)
    except TypeError as error:
        raise CorruptData(
            f"{name}: the manifest's metadata is not what this pond knows ({error}); upgrade pond"
        ) from error
    return Head(info, length, total, sections)


class Manifest:
    """One immutable version, read in place.

    Parameters
    ----------
    data
        The bytes of the whole manifest; kept, not copied.
    name
        What to call it in errors.

    Raises
    ------
    CorruptData
        A digest does not match.
    """

    __slots__ = (
        "_data",
        "entries",
        "entry_digest",
        "entry_length",
        "entry_offset",
        "entry_pack",
        "first",
        "info",
        "ino",
        "ino_order",
        "mode",
        "mtime_ns",
        "name_offset",
        "names",
        "nodes",
        "pack_etag_offset",
        "pack_etags",
        "pack_length",
        "pack_url_offset",
        "pack_urls",
        "packs",
        "parent",
        "size",
        "targets",
    )

    name_offset: "memoryview[int]"
    names: "memoryview[int]"
    parent: "memoryview[int]"
    mode: "memoryview[int]"
    mtime_ns: "memoryview[int]"
    size: "memoryview[int]"
    first: "memoryview[int]"
    ino: "memoryview[int]"
    ino_order: "memoryview[int]"
    targets: "memoryview[int]"
    entry_offset: "memoryview[int]"
    entry_length: "memoryview[int]"
    entry_pack: "memoryview[int]"
    entry_digest: "memoryview[int]"
    pack_url_offset: "memoryview[int]"
    pack_urls: "memoryview[int]"
    pack_etag_offset: "memoryview[int]"
    pack_etags: "memoryview[int]"
    pack_length: "memoryview[int]"

    def __init__(self, data: "Buffer", name: str) -> None:
        head = read_head(data, name)
        view = memoryview(data).toreadonly()
        if len(view) != head.total_bytes:
            raise CorruptData(f"{name}: the manifest has {len(view)} bytes instead of {head.total_bytes}")
        for column, code in COLUMNS.items():
            if column not in head.sections:
                raise CorruptData(f"{name}: the manifest has no section {column}")
            offset, length, digest = head.sections[column]
            part = view[offset : offset + length]
            if blake3(part).digest() != digest:
                raise CorruptData(f"{name}: section {column} of the manifest does not match its digest")
            setattr(self, column, part.cast(code))
        self._data = view
        self.info = head.info
        self.nodes = len(self.parent)
        self.entries = len(self.entry_offset)
        self.packs = len(self.pack_length)

    # --- look up -------------------------------------------------------------------------------

    def name(self, node: int) -> bytes:
        """Return a node's name."""
        return bytes(self.names[self.name_offset[node] : self.name_offset[node + 1]])

    def path(self, node: int) -> bytes:
        """Return a node's path from the root, without a leading slash."""
        parts = []
        while node != ROOT:
            parts.append(self.name(node))
            node = self.parent[node]
        return b"/".join(reversed(parts))

    def is_folder(self, node: int) -> bool:
        """Say whether a node is a folder."""
        return stat.S_ISDIR(self.mode[node])

    def children(self, folder: int) -> range:
        """Return the nodes in a folder, sorted by the bytes of their names."""
        first = self.first[folder]
        return range(first, first + self.size[folder])

    def lookup(self, folder: int, name: bytes) -> int | None:
        """Return the node called ``name`` in a folder, or None."""
        low = self.first[folder]
        end = high = low + self.size[folder]
        names, offsets = self.names, self.name_offset
        while low < high:
            middle = (low + high) // 2
            if bytes(names[offsets[middle] : offsets[middle + 1]]) < name:
                low = middle + 1
            else:
                high = middle
        return low if low < end and self.name(low) == name else None

    def resolve(self, path: bytes) -> int | None:
        """Return the node at a path from the root, or None. Symbolic links are not followed."""
        node = ROOT
        for part in path.split(b"/"):
            if part in (b"", b"."):
                continue
            if not self.is_folder(node):
                return None
            found = self.lookup(node, part)
            if found is None:
                return None
            node = found
        return node

    def node_of_ino(self, ino: int) -> int | None:
        """Return the node with an inode number, or None."""
        inos, order = self.ino, self.ino_order
        low, high = 0, self.nodes
        while low < high:
            middle = (low + high) // 2
            if inos[order[middle]] < ino:
                low = middle + 1
            else:
                high = middle
        if low < self.nodes and inos[order[low]] == ino:
            return order[low]
        return None

    def target(self, node: int) -> bytes:
        """Return the target of a symbolic link."""
        offset = self.first[node]
        return bytes(self.targets[offset : offset + self.size[node]])

    def walk(self, top: int = ROOT) -> Iterator[int]:
        """Yield the nodes below ``top``, depth first, each folder's children in the order of their names."""
        stack = [iter(self.children(top))]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                continue
            yield node
            if self.is_folder(node):
                stack.append(iter(self.children(node)))

    # --- extents -------------------------------------------------------------------------------

    def file_entries(self, node: int) -> range:
        """Return the entries that hold a file's bytes, in order."""
        first = self.first[node]
        return range(first, first + entry_count(self.size[node]))

    def extent(self, entry: int) -> Extent:
        """Return where an entry lies."""
        return Extent(self.entry_pack[entry], self.entry_offset[entry], self.entry_length[entry])

    def pack(self, number: int) -> Pack:
        """Return a pack's address, etag and length."""
        url = bytes(self.pack_urls[self.pack_url_offset[number] : self.pack_url_offset[number + 1]])
        etag = bytes(self.pack_etags[self.pack_etag_offset[number] : self.pack_etag_offset[number + 1]])
        return Pack(url.decode(), etag.decode(), self.pack_length[number])

    # --- digests -------------------------------------------------------------------------------

    def digest(self, entry: int) -> bytes:
        """Return the BLAKE3 digest of an entry."""
        return bytes(self.entry_digest[entry * DIGEST_BYTES : (entry + 1) * DIGEST_BYTES])
