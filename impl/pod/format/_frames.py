"""The frames of a log file; the package's docstring draws them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

__all__ = [
    "ENTRY_BYTES",
    "FILE_HEADER_BYTES",
    "FORMAT_VERSION",
    "HINT_BYTES",
    "PIECE_BYTES",
    "EntryFrame",
    "PieceFrame",
    "pack_file_header",
    "pack_hint",
    "pack_piece",
    "parse_entry",
    "parse_file_header",
    "parse_hint",
    "parse_piece",
]

FORMAT_VERSION: Final = 1
DIGEST_BYTES: Final = 32

_FILE_MAGIC = b"pod-log\n"
_file = struct.Struct("<8sIIQ")
FILE_HEADER_BYTES: Final = _file.size + 8

_PIECE_MAGIC = b"pie\x01"
_piece = struct.Struct("<4sI")
_piece_rest = struct.Struct("<Q32s")
PIECE_BYTES: Final = _piece.size + _piece_rest.size

_ENTRY_MAGIC = b"ent\x01"
_entry = struct.Struct("<4sIIIQQ")
ENTRY_BYTES: Final = _entry.size + DIGEST_BYTES

_HINT_MAGIC = b"pod-end\n"
_hint = struct.Struct("<8sQQQ")
HINT_BYTES: Final = _hint.size + DIGEST_BYTES


def pack_file_header(generation: int) -> bytes:
    """Return the header of a log file."""
    data = _file.pack(_FILE_MAGIC, FORMAT_VERSION, 0, generation)
    return data + blake3(data).digest(8)


def parse_file_header(data: bytes) -> tuple[int, int] | None:
    """Return (format version, generation); None: these are not such bytes."""
    if len(data) != FILE_HEADER_BYTES or blake3(data[: _file.size]).digest(8) != data[_file.size :]:
        return None
    magic, version, _, generation = _file.unpack_from(data)
    return (version, generation) if magic == _FILE_MAGIC else None


@dataclass(frozen=True, slots=True)
class PieceFrame:
    """The header of a piece."""

    length: int
    digest: bytes


def pack_piece(length: int, digest: bytes) -> bytes:
    """Return the header of a piece."""
    rest = _piece_rest.pack(length, digest)
    return _piece.pack(_PIECE_MAGIC, zlib.crc32(rest)) + rest


def parse_piece(data: bytes) -> PieceFrame | None:
    """Return the header of a piece; None: these are not such bytes."""
    if data[:4] != _PIECE_MAGIC or len(data) != PIECE_BYTES:
        return None
    if zlib.crc32(data[_piece.size :]) != _piece.unpack_from(data)[1]:
        return None
    return PieceFrame(*_piece_rest.unpack_from(data, _piece.size))


@dataclass(frozen=True, slots=True)
class EntryFrame:
    """The header of an entry.

    Attributes
    ----------
    synced
        The pieces were on the disk before the entry was written.
    head_bytes, body_bytes
        What follows the header.
    pieces, pieces_bytes
        Of the transaction that the entry ends, headers included.
    digest
        BLAKE3 of the headers of the pieces, head, body and the header without this digest.
    """

    synced: bool
    head_bytes: int
    body_bytes: int
    pieces: int
    pieces_bytes: int
    digest: bytes = b""

    def pack_without_digest(self) -> bytes:
        """Return its bytes but the digest."""
        return _entry.pack(
            _ENTRY_MAGIC, int(self.synced), self.head_bytes, self.pieces, self.body_bytes, self.pieces_bytes
        )

    @property
    def total_bytes(self) -> int:
        """The header, head and body."""
        return ENTRY_BYTES + self.head_bytes + self.body_bytes


def parse_entry(data: bytes) -> EntryFrame | None:
    """Return the header of an entry; None: these are not such bytes."""
    if data[:4] != _ENTRY_MAGIC or len(data) != ENTRY_BYTES:
        return None
    _, flags, head_bytes, pieces, body_bytes, pieces_bytes = _entry.unpack_from(data)
    if flags not in (0, 1):
        return None
    return EntryFrame(flags == 1, head_bytes, body_bytes, pieces, pieces_bytes, data[_entry.size :])


def pack_hint(generation: int, end: int, entries: int) -> bytes:
    """Return the bytes of the file `durable`."""
    data = _hint.pack(_HINT_MAGIC, generation, end, entries)
    return data + blake3(data).digest()


def parse_hint(data: bytes) -> tuple[int, int, int] | None:
    """Return (generation, end, entries); None: these are not such bytes."""
    if len(data) != HINT_BYTES or blake3(data[: _hint.size]).digest() != data[_hint.size :]:
        return None
    magic, generation, end, entries = _hint.unpack_from(data)
    return (generation, end, entries) if magic == _HINT_MAGIC else None
