"""Where pieces and entries lie in a log file: a sorted table made by an earlier walk, and what came since."""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

__all__ = ["EntryPlace", "Index", "PiecePlace", "Table"]

_MAGIC = b"pod-idx\n"
_header = struct.Struct("<8sQQQQ")
_HEADER_BYTES = _header.size + 32
_piece_place = struct.Struct("<QQ")
_entry_place = struct.Struct("<QQQ")
_DIGEST_BYTES = 32
_KEY_BYTES = 8


class PiecePlace(NamedTuple):
    """Where the bytes of a piece lie, behind its header."""

    offset: int
    length: int


class EntryPlace(NamedTuple):
    """Where the header of an entry lies, and the lengths of what follows it."""

    offset: int
    head_bytes: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Table:
    """The file `index`, looked up in place.

    Attributes
    ----------
    generation, end
        Of the log file; the bytes of it that the table covers.
    entries, heads
        Of all entries so far.
    """

    generation: int
    end: int
    entries: list[EntryPlace]
    heads: list[bytes]
    _keys: Sequence[int]
    _digests: memoryview
    _places: memoryview

    @classmethod
    def empty(cls, generation: int) -> Table:
        """Return a table of nothing."""
        return cls(generation, 0, [], [], array("Q"), memoryview(b""), memoryview(b""))

    @classmethod
    def parse(cls, data: bytes) -> Table | None:
        """Return the table of these bytes; None: they are not whole."""
        if len(data) < _HEADER_BYTES:
            return None
        magic, generation, end, pieces, entries = _header.unpack_from(data)
        body = memoryview(data)[_HEADER_BYTES:]
        digest = blake3(data[: _header.size])
        digest.update(body)
        if magic != _MAGIC or digest.digest() != data[_header.size : _HEADER_BYTES]:
            return None
        bounds = [0]
        for size in (
            pieces * _KEY_BYTES,
            pieces * _DIGEST_BYTES,
            pieces * _piece_place.size,
            entries * _entry_place.size,
        ):
            bounds.append(bounds[-1] + size)
        keys, digests, piece_places, entry_places = (body[start:stop] for start, stop in pairwise(bounds))
        found = [EntryPlace(*fields) for fields in _entry_place.iter_unpack(entry_places)]
        heads, position = [], bounds[-1]
        for place in found:
            heads.append(bytes(body[position : position + place.head_bytes]))
            position += place.head_bytes
        return cls(generation, end, found, heads, _numbers(keys), digests, piece_places)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, digest: bytes) -> PiecePlace | None:
        """Return where a piece lies."""
        key = int.from_bytes(digest[:_KEY_BYTES], "big")
        row = bisect_left(self._keys, key)
        while row < len(self._keys) and self._keys[row] == key:
            if self._digest(row) == digest:
                return PiecePlace(*_piece_place.unpack_from(self._places, row * _piece_place.size))
            row += 1
        return None

    def pieces(self) -> Iterator[tuple[bytes, PiecePlace]]:
        """Yield the pieces, in the order of their digests."""
        places = _piece_place.iter_unpack(self._places)
        for row, place in enumerate(places):
            yield self._digest(row), PiecePlace(*place)

    def _digest(self, row: int) -> bytes:
        return bytes(self._digests[row * _DIGEST_BYTES : (row + 1) * _DIGEST_BYTES])


def _numbers(data: memoryview) -> Sequence[int]:
    if sys.byteorder == "little" and not len(data) % _KEY_BYTES:
        return data.cast("Q")
    numbers = array("Q", data.tobytes())
    numbers.byteswap()
    return numbers


class Index:
    """A table and what came after it.

    Attributes
    ----------
    entries, heads
        Of all entries, in order.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._recent: dict[bytes, PiecePlace] = {}
        self.entries = list(table.entries)
        self.heads = list(table.heads)

    def __len__(self) -> int:
        return len(self._table) + len(self._recent)

    @property
    def recent(self) -> int:
        """How many pieces and entries are not in the table."""
        return len(self._recent) + len(self.entries) - len(self._table.entries)

    def find(self, digest: bytes) -> PiecePlace | None:
        """Return where a piece lies."""
        place = self._recent.get(digest)
        return self._table.find(digest) if place is None else place

    def pieces(self) -> Iterator[tuple[bytes, PiecePlace]]:
        """Yield all pieces."""
        yield from self._table.pieces()
        yield from list(self._recent.items())

    def add(self, pieces: dict[bytes, PiecePlace], entry: EntryPlace, head: bytes) -> None:
        """Take in a transaction."""
        self._recent.update(pieces)
        self.entries.append(entry)
        self.heads.append(head)

    def pack(self, generation: int, end: int) -> bytes:
        """Return the bytes of a table of everything."""
        pieces = sorted(self.pieces())
        keys = array("Q", (int.from_bytes(digest[:_KEY_BYTES], "big") for digest, _ in pieces))
        if sys.byteorder == "big":
            keys.byteswap()
        parts: list[Buffer] = [
            keys.tobytes(),
            b"".join([digest for digest, _ in pieces]),
            b"".join([_piece_place.pack(*place) for _, place in pieces]),
            b"".join([_entry_place.pack(*entry) for entry in self.entries]),
            *self.heads,
        ]
        header = _header.pack(_MAGIC, generation, end, len(pieces), len(self.entries))
        digest = blake3(header)
        for part in parts:
            digest.update(part)
        return b"".join([header, digest.digest(), *parts])
