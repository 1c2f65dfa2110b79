"""Walking through a log file: its frames one after the other, and the transactions that are whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from pod.format import (
    ENTRY_BYTES,
    FILE_HEADER_BYTES,
    PIECE_BYTES,
    EntryFrame,
    PieceFrame,
    digest_of,
    parse_entry,
    parse_piece,
)
from pod.log._index import EntryPlace, PiecePlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.io import File

__all__ = ["Found", "Frame", "entry_digest", "frames", "transactions"]

_SMALLEST_WINDOW_BYTES = 4096
_LARGEST_WINDOW_BYTES = 1 << 18


class Frame(NamedTuple):
    """A frame's place, its header and the bytes of that."""

    offset: int
    header: PieceFrame | EntryFrame
    raw: bytes

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        if isinstance(self.header, PieceFrame):
            return self.offset + PIECE_BYTES + self.header.length
        return self.offset + self.header.total_bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A transaction in a log file.

    Attributes
    ----------
    end
        Where the next one begins.
    frame
        The bytes of the entry's header.
    """

    pieces: dict[bytes, PiecePlace]
    entry: EntryPlace
    head: bytes
    frame: bytes
    end: int


@dataclass(slots=True)
class _Window:
    """Reads ahead of small frames, and little where large ones are passed over."""

    file: File
    offset: int = 0
    data: bytes = b""
    size_bytes: int = _SMALLEST_WINDOW_BYTES

    def read(self, offset: int, length: int) -> bytes:
        start = offset - self.offset
        if start < 0 or start + length > len(self.data):
            near = 0 <= start <= len(self.data)
            self.size_bytes = (
                min(self.size_bytes * 2, _LARGEST_WINDOW_BYTES) if near else _SMALLEST_WINDOW_BYTES
            )
            self.offset, self.data = offset, self.file.read(offset, max(self.size_bytes, length))
            start = 0
        return self.data[start : start + length]


def frames(file: File, start: int, end: int) -> Iterator[Frame]:
    """Yield the frames from `start` on, until one does not parse or reaches beyond `end`."""
    window = _Window(file)
    offset = start
    while offset < end:
        raw = window.read(offset, PIECE_BYTES)
        header: PieceFrame | EntryFrame | None = parse_piece(raw)
        if header is None:
            raw = window.read(offset, ENTRY_BYTES)
            header = parse_entry(raw)
        if header is None:
            return
        frame = Frame(offset, header, raw)
        if frame.end > end:
            return
        yield frame
        offset = frame.end


@dataclass(slots=True)
class _Open:
    """The transaction that is being walked through."""

    start: int
    pieces: dict[bytes, PiecePlace] = field(default_factory=dict)
    count: int = 0
    headers: list[bytes] = field(default_factory=list)


def transactions(file: File, start: int, end: int, durable: int) -> Iterator[Found]:
    """Yield the transactions from `start` on, until one is not whole.

    What ends at or before `durable` is known to have been written whole, so that only its outline is read; its bytes
    are checked when they are used. Behind it every byte is checked that a crash may have kept from the disk.
    """
    current = _Open(max(start, FILE_HEADER_BYTES))
    for frame in frames(file, current.start, end):
        if isinstance(frame.header, PieceFrame):
            current.headers.append(frame.raw)
            current.count += 1
            current.pieces.setdefault(
                frame.header.digest, PiecePlace(frame.offset + PIECE_BYTES, frame.header.length)
            )
            continue
        entry = frame.header
        if (entry.pieces, entry.pieces_bytes) != (current.count, frame.offset - current.start):
            return
        if frame.end > durable and not _is_whole(file, frame, entry, current):
            return
        yield Found(
            current.pieces,
            EntryPlace(frame.offset, entry.head_bytes, entry.body_bytes),
            file.read(frame.offset + ENTRY_BYTES, entry.head_bytes),
            frame.raw,
            frame.end,
        )
        current = _Open(frame.end)


def _is_whole(file: File, frame: Frame, entry: EntryFrame, current: _Open) -> bool:
    rest = file.read(frame.offset + ENTRY_BYTES, entry.head_bytes + entry.body_bytes)
    if entry_digest(current.headers, rest, frame.raw[:-32]) != entry.digest:
        return False
    return entry.synced or all(
        digest_of(file.read(*place)) == digest for digest, place in current.pieces.items()
    )


def entry_digest(piece_headers: list[bytes], rest: bytes, header: bytes) -> bytes:
    """Return the digest of an entry; `rest` is its head and body, `header` what comes before the digest."""
    hasher = blake3(b"".join(piece_headers))
    hasher.update(rest)
    hasher.update(header)
    return hasher.digest()
