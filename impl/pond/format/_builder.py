"""Writing a manifest."""

import json
import stat
import struct
from array import array
from dataclasses import asdict, dataclass

from blake3 import blake3

from pond.format._layout import (
    COLUMNS,
    FORMAT_VERSION,
    HEADER_BYTES,
    MANIFEST_MAGIC,
    SECTION_BYTES,
)
from pond.format._manifest import Extent, Pack, VersionInfo

_FIRST_INO = 32
"""Inode numbers below are the root's and the control files'."""

_MAX_INO = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Node:
    """One file, folder or symbolic link to be recorded; ``first`` and ``size`` as in the layout."""

    name: bytes
    parent: int
    mode: int
    mtime_ns: int
    size: int
    first: int


def stable_inos(nodes: list[Node]) -> "array[int]":
    """Return each node's inode number: a hash of its path, so that it is the same in every version.

    Two paths with one hash (about once in 10**7 versions of a million files) get different numbers,
    in the order of the nodes.
    """
    inos = array("Q", [1])
    hashers = {0: blake3(b"pond ino")}
    taken = {1}
    for number, node in enumerate(nodes[1:], start=1):
        hasher = hashers[node.parent].copy()
        hasher.update(b"/" + node.name)
        if stat.S_ISDIR(node.mode):
            hashers[number] = hasher
        ino = int.from_bytes(hasher.digest(8), "little") & _MAX_INO
        while ino < _FIRST_INO or ino in taken:
            ino = (ino + 1) & _MAX_INO
        taken.add(ino)
        inos.append(ino)
    return inos


class ManifestBuilder:
    """Collects nodes, entries and packs, and renders the manifest.

    Nodes are added in breadth-first order, the root first; entries in pack order.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._entry_offset = array("Q")
        self._entry_length = array("I")
        self._entry_pack = array("I")
        self._entry_digest = bytearray()
        self._packs: list[Pack] = []
        self._targets = bytearray()

    @property
    def entries(self) -> int:
        """The number of entries so far, which is the number of the next one."""
        return len(self._entry_offset)

    def add_target(self, target: bytes) -> int:
        """Record the target of a symbolic link and return its offset."""
        offset = len(self._targets)
        self._targets += target
        return offset

    def add_entry(self, extent: Extent, digest: bytes) -> None:
        """Record the next entry."""
        self._entry_pack.append(extent.pack)
        self._entry_offset.append(extent.offset)
        self._entry_length.append(extent.length)
        self._entry_digest += digest

    def add_pack(self, pack: Pack) -> int:
        """Record the next pack and return its number."""
        self._packs.append(pack)
        return len(self._packs) - 1

    def render(self, info: VersionInfo) -> bytes:
        """Return the bytes of the manifest."""
        nodes = self.nodes
        inos = stable_inos(nodes)
        name_offset, names = _joined([node.name for node in nodes])
        url_offset, urls = _joined([pack.url.encode() for pack in self._packs])
        etag_offset, etags = _joined([pack.etag.encode() for pack in self._packs])
        columns: dict[str, array[int] | bytes] = {
            "name_offset": name_offset,
            "names": names,
            "parent": array("I", [node.parent for node in nodes]),
            "mode": array("I", [node.mode for node in nodes]),
            "mtime_ns": array("q", [node.mtime_ns for node in nodes]),
            "size": array("Q", [node.size for node in nodes]),
            "first": array("I", [node.first for node in nodes]),
            "ino": inos,
            "ino_order": array("I", sorted(range(len(nodes)), key=inos.__getitem__)),
            "targets": bytes(self._targets),
            "entry_offset": self._entry_offset,
            "entry_length": self._entry_length,
            "entry_pack": self._entry_pack,
            "entry_digest": bytes(self._entry_digest),
            "pack_url_offset": url_offset,
            "pack_urls": urls,
            "pack_etag_offset": etag_offset,
            "pack_etags": etags,
            "pack_length": array("Q", [pack.length for pack in self._packs]),
        }
        return _assemble(info, {name: bytes(columns[name]) for name in COLUMNS})


def _joined(strings: list[bytes]) -> "tuple[array[int], bytes]":
    offsets = array("I", [0])
    end = 0
    for string in strings:
        end += len(string)
        offsets.append(end)
    return offsets, b"".join(strings)


def _assemble(info: VersionInfo, columns: dict[str, bytes]) -> bytes:
    meta = json.dumps(asdict(info), sort_keys=True, ensure_ascii=False).encode()
    bodies = {"meta": meta, **columns}
    offset = HEADER_BYTES + SECTION_BYTES * len(bodies)
    table = bytearray()
    parts = []
    for name, body in bodies.items():
        table += struct.pack("<16sQQ32s", name.encode("ascii"), offset, len(body), blake3(body).digest())
        padded = body + bytes(-len(body) % 8)
        parts.append(padded)
        offset += len(padded)
    head_bytes = HEADER_BYTES + len(table) + len(parts[0])
    start = struct.pack("<8sIIQQ", MANIFEST_MAGIC, FORMAT_VERSION, len(bodies), offset, head_bytes)
    digest = blake3(start).update(table).update(parts[0]).digest()
    return b"".join([start, digest, bytes(table), *parts])
