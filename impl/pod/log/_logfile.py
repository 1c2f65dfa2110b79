"""An open log file, and what is known of its bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pod.errors import Corrupt, NotAStore
from pod.format import ENTRY_BYTES, FILE_HEADER_BYTES, FORMAT_VERSION, parse_file_header
from pod.log._backend import BackendStats, translated
from pod.log._index import EntryPlace, Index, PiecePlace, Table
from pod.log._walk import transactions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pod.io import IO

__all__ = ["LOG_NAME", "LogFile", "Reading", "log_name"]

_RUN_BYTES: Final = 1 << 18
"""So much is read at once: it stays in a processor's cache until it is used."""
_GAP_BYTES: Final = 1 << 10
_MOST_SPARE: Final = 8

LOG_NAME = re.compile(r"(\d{8,})\.pods")


def log_name(generation: int) -> str:
    """Return the name of a log file."""
    return f"{generation:08}.pods"


class LogFile:
    """An open log file.

    Attributes
    ----------
    path, folder, generation
        Which one it is, and where.
    file
        Replaced by one for writing when there is something to write.
    index
        Of the whole transactions.
    end
        Where they end.
    durable
        Up to where the file is known to have been written whole. Beyond `end`: it is damaged.
    hinted
        Whether the file `durable` says so.
    spare
        Memory that was read into, to be used again.
    """

    def __init__(self, io: IO, path: Path) -> None:
        self.path = path
        self.folder = path.parent
        self.file = io.open(path)
        header = parse_file_header(self.file.read(0, FILE_HEADER_BYTES))
        if header is None:
            raise NotAStore(f"{path}: not a log of pod, or its first bytes are damaged")
        version, self.generation = header
        if version != FORMAT_VERSION:
            raise NotAStore(
                f"{path}: written by a newer pod (format {version}); this one reads {FORMAT_VERSION}"
            )
        self.index = Index(Table.empty(self.generation))
        self.end = self.durable = FILE_HEADER_BYTES
        self.hinted = False
        self.spare: list[memoryview] = []
        self._newest_frame = b""

    def load(self, table: Table | None, durable: int | None) -> None:
        """Take in the file: a table of its beginning, if there is one, and then a walk through the rest.

        `durable` is None where nothing says how far the file was written: then it must be whole, for a crash leaves
        no such file.
        """
        size = self.file.status().size_bytes
        self.hinted = durable is not None
        if table is not None and table.generation == self.generation and table.end <= size:
            self.index = Index(table)
            self.end = table.end
        self.durable = max(self.end, size if durable is None else durable)
        self.extend(size)

    def extend(self, size: int) -> None:
        """Take in what was appended."""
        for found in transactions(self.file, self.end, size, self.durable):
            self.add(found.pieces, found.entry, found.head, found.frame, found.end)

    def add(
        self, pieces: dict[bytes, PiecePlace], entry: EntryPlace, head: bytes, frame: bytes, end: int
    ) -> None:
        """Take in a transaction."""
        self.index.add(pieces, entry, head)
        self._newest_frame = frame
        self.end = end

    @property
    def is_damaged(self) -> bool:
        """Whether bytes that were durable cannot be read."""
        return self.end < self.durable

    def is_changed(self, size: int) -> bool:
        """Whether the newest entry is gone: one seen before it was durable may have been taken back."""
        if size < self.end:
            return True
        if self.end <= self.durable or not self._newest_frame:
            return False
        return self.file.read(self.index.entries[-1].offset, ENTRY_BYTES) != self._newest_frame

    def place(self, digest: bytes) -> PiecePlace:
        """Return where a piece lies."""
        place = self.index.find(digest)
        if place is None:
            raise Corrupt(f"{self.path}: piece {digest.hex()[:16]} is missing; run: pod verify {self.folder}")
        return place


class Reading:
    """What all backends of a log file have in common."""

    is_shared_across_forks = True
    batch_bytes = 0  # a piece that was just read is hashed while it is in the processor's cache

    _log: LogFile

    @property
    def is_damaged(self) -> bool:
        """Whether entries that were durable cannot be read any more."""
        return self._log.is_damaged

    @property
    def generation(self) -> int:
        """Grows whenever entries other than the newest change."""
        return self._log.generation

    def heads(self) -> Sequence[bytes]:
        """Return the heads of all entries, oldest first."""
        return self._log.index.heads

    def body(self, number: int) -> bytes:
        """Return the body of an entry."""
        log = self._log
        place = log.index.entries[number]
        with translated(log.folder):
            return log.file.read(place.offset + ENTRY_BYTES + place.head_bytes, place.body_bytes)

    def digests(self) -> Iterator[bytes]:
        """Yield the digests of all pieces, as they lie in the file."""
        for digest, _ in sorted(self._log.index.pieces(), key=_offset):
            yield digest

    def size(self, digest: bytes) -> int | None:
        """Return the length of a piece; None: there is none."""
        place = self._log.index.find(digest)
        return None if place is None else place.length

    def read(self, digest: bytes) -> bytes:
        """Return a piece."""
        log = self._log
        place = log.place(digest)
        with translated(log.folder):
            return log.file.read(*place)

    def read_through(self, digests: Sequence[bytes]) -> Iterator[memoryview]:
        """Yield pieces in the order asked for, each in memory that is used again for the next.

        What lies together in the file is read together.
        """
        log = self._log
        places = [log.place(digest) for digest in digests]
        try:
            memory = log.spare.pop()  # new memory costs as much as reading it
        except IndexError:
            memory = memoryview(bytearray())
        first = 0
        while first < len(places):
            start, length = places[first]
            end, last = start + length, first + 1
            while last < len(places) and _follows(places[last], start, end):
                end, last = places[last].offset + places[last].length, last + 1
            if end - start > len(memory):
                memory = memoryview(bytearray(end - start))
            with translated(log.folder):
                found = log.file.read_into(start, [memory[: end - start]])
            for digest, (offset, length) in zip(digests[first:last], places[first:last], strict=True):
                if offset + length > start + found:
                    raise Corrupt(f"{log.path}: it ends within piece {digest.hex()[:16]}")
                yield memory[offset - start : offset - start + length]
            first = last
        if len(memory) <= _RUN_BYTES and len(log.spare) < _MOST_SPARE:
            log.spare.append(memory)

    def read_into(self, pieces: Sequence[tuple[bytes, memoryview]]) -> None:
        """Read each piece into the buffer beside it, which has its length."""
        log = self._log
        with translated(log.folder):
            for digest, buffer in pieces:
                place = log.place(digest)
                if log.file.read_into(place.offset, [buffer]) != place.length:
                    raise Corrupt(f"{log.path}: it ends within piece {digest.hex()[:16]}")

    def stats(self) -> BackendStats:
        """Return how much it holds."""
        log = self._log
        return BackendStats(log.end, 0, len(log.index), len(log.index.entries), log.generation)


def _follows(place: PiecePlace, start: int, end: int) -> bool:
    """Say whether a piece is read together with what lies from `start` to `end`."""
    return end <= place.offset <= end + _GAP_BYTES and place.offset + place.length - start <= _RUN_BYTES


def _offset(item: tuple[bytes, PiecePlace]) -> int:
    return item[1].offset
