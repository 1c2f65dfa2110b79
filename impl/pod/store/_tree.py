"""Lists and maps as trees of pieces whose nodes end where their content says so.

An equal list has an equal tree, and a list with one entry inserted, deleted or changed shares all nodes with the old
one but those on the path to that entry. This is how a version of a thousand variables costs what changed of it.

A node is a run of items, each with its length before it; an item of a higher node is a child's digest, with the child's
first key before it in a map. A root is the level of its node (0: a leaf) and its digest.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final
from zlib import crc32

from pod.format import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Buffer

    Put = Callable[[bytes, Sequence[Buffer]], object]
    Read = Callable[[bytes], bytes]

_MEAN_ITEMS: Final = 16
_MOST_BYTES: Final = 8192
_MOST_SHORT: Final = 0x7F


def grow(items: Sequence[tuple[bytes, bytes]], put: Put) -> bytes:
    """Store items (key, value) in the order of their keys; return the root of the tree, 33 bytes."""
    level = 0
    while True:
        nodes = _nodes(items)
        children = []
        for first_key, data in nodes:
            digest = digest_of(data)
            put(digest, [data])
            children.append((first_key, digest))
        if len(children) == 1:
            return bytes([level]) + children[0][1]
        items = children
        level += 1


def _nodes(items: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Cut items into nodes; an empty list is one empty node."""
    nodes = []
    node = bytearray()
    first_key = b""
    count = 0
    for key, value in items:
        if not node:
            first_key = key
        for part in (key, value):
            if len(part) > _MOST_SHORT:
                _length(node, part)
            else:
                node.append(len(part))
                node += part
        count += 1
        if (count > 1 and crc32(value, crc32(key)) % _MEAN_ITEMS == 0) or len(node) >= _MOST_BYTES:
            nodes.append((first_key, bytes(node)))
            node = bytearray()
            count = 0
    if node or not nodes:
        nodes.append((first_key, bytes(node)))
    return nodes


def walk(root: bytes, read: Read) -> Iterator[tuple[bytes, bytes]]:
    """Yield the items of a tree in order."""
    for level, data in _walk(root, read):
        if level == 0:
            yield from _items(data)


def new_nodes(root: bytes, read: Read, seen: set[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Walk through a tree, but for the nodes in `seen`, which grows.

    Returns
    -------
    tuple of list of bytes, list of bytes
        The nodes' digests, and the values in their leaves, in order.
    """
    nodes: list[bytes] = []
    values: list[bytes] = []
    pending = [root]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        nodes.append(node[1:])
        items = [value for _key, value in _items(read(node[1:]))]
        if node[0]:
            pending += [bytes([node[0] - 1]) + child for child in items][::-1]
        else:
            values += items
        seen.add(node)
    return nodes, values


class Lookup:
    """Finds values in a map; nodes that it went through are not read again."""

    def __init__(self, root: bytes, read: Read) -> None:
        self._root = root
        self._read = read
        self._nodes: dict[bytes, tuple[list[bytes], list[bytes]]] = {}

    def __call__(self, key: bytes) -> bytes | None:
        """Return the value of a key, None if the tree has none."""
        level, digest = self._root[0], self._root[1:]
        while True:
            keys, values = self._node(digest)
            at = bisect_right(keys, key) - 1
            if at < 0:
                return None
            if level == 0:
                return values[at] if keys[at] == key else None
            level, digest = level - 1, values[at]

    def _node(self, digest: bytes) -> tuple[list[bytes], list[bytes]]:
        found = self._nodes.get(digest)
        if found is None:
            items = list(_items(self._read(digest)))
            found = self._nodes[digest] = [key for key, _ in items], [value for _, value in items]
        return found


def _walk(root: bytes, read: Read) -> Iterator[tuple[int, bytes]]:
    pending = [root]
    while pending:
        node = pending.pop()
        data = read(node[1:])
        yield node[0], data
        if node[0]:
            pending += [bytes([node[0] - 1]) + child for _key, child in _items(data)][::-1]


def _length(node: bytearray, item: bytes) -> None:
    size = len(item)
    while size > 0x7F:
        node.append(size & 0x7F | 0x80)
        size >>= 7
    node.append(size)
    node += item


def _items(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    parts = []
    while at < len(data):
        size = shift = 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        parts.append(data[at : at + size])
        at += size
        if len(parts) == 2:
            yield parts[0], parts[1]
            parts = []
