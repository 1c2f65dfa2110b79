"""What a client knows of a store in a database: the heads of its entries, and where each piece is.

Each entry comes with its **contents**, the pieces that were committed with it: encoded
[[where, digests one after the other, their lengths as little-endian 64-bit numbers]..]. So a client that follows a store
reads of each entry a head and 40 bytes for each new piece.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from pod.errors import Corrupt
from pod.format import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Catalogue", "Place", "pack_contents"]

_DIGEST_BYTES: Final = 32
_MOST_BYTES: Final = 1 << 40  # of a piece: none has as many, and a damaged length is not to be believed


class Place(NamedTuple):
    """A piece's length, in which group of the database it is, and how many were committed before it."""

    size_bytes: int
    where: bytes
    number: int


class Catalogue:
    """The entries of one generation of a store, and their pieces.

    Attributes
    ----------
    store
        Tells this store from one that was put in its place.
    generation
        Grows with every `keep`.
    heads
        Of all entries, oldest first.
    places
        Of all pieces by their digests.
    order
        All digests, in the order in which they were committed.
    is_damaged
        Whether the database lacks entries that it should have.
    """

    def __init__(self, store: bytes, generation: int) -> None:
        self.store = store
        self.generation = generation
        self.heads: list[bytes] = []
        self.places: dict[bytes, Place] = {}
        self.order: list[bytes] = []
        self.is_damaged = False

    def add(self, head: bytes, contents: bytes) -> None:
        """Take in the next entry."""
        for digest, size, where in _parse_contents(contents):
            self.places[digest] = Place(size, where, len(self.order))
            self.order.append(digest)
        self.heads.append(head)


def pack_contents(pieces: Mapping[bytes, tuple[int, bytes]]) -> bytes:
    """Return the contents of an entry: the length of each piece, and its group."""
    groups: dict[bytes, list[tuple[bytes, int]]] = {}
    for digest, (size, where) in pieces.items():
        groups.setdefault(where, []).append((digest, size))
    return encode(
        [
            [
                where,
                b"".join(digest for digest, _ in group),
                struct.pack(f"<{len(group)}Q", *(size for _, size in group)),
            ]
            for where, group in groups.items()
        ]
    )


def _parse_contents(contents: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    groups = decode(contents)
    if not isinstance(groups, list):
        raise Corrupt("the contents of an entry are no list; run: pod verify")
    for group in groups:
        match group:
            case [bytes() as where, bytes() as digests, bytes() as packed] if len(digests) == 4 * len(packed):
                sizes = struct.unpack(f"<{len(packed) // 8}Q", packed)
                for at, size in enumerate(sizes):
                    if size >= _MOST_BYTES:
                        raise Corrupt("the contents of an entry are damaged; run: pod verify")
                    yield digests[at * _DIGEST_BYTES : (at + 1) * _DIGEST_BYTES], size, where
            case _:
                raise Corrupt("the contents of an entry are damaged; run: pod verify")
