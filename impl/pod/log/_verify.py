"""Reading every byte of a log and of what lies beside it."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from blake3 import blake3

from pod.errors import Corrupt
from pod.format import (
    ENTRY_BYTES,
    FILE_HEADER_BYTES,
    PIECE_BYTES,
    EntryFrame,
    PieceFrame,
    parse_file_header,
    parse_head,
    parse_hint,
)
from pod.log._backend import Damage, Progress
from pod.log._index import Table
from pod.log._walk import Frame, entry_digest, frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pod.io import IO, File
    from pod.log._logfile import LogFile

__all__ = ["verify_log", "verify_others"]

_READ_BYTES = 1 << 20


def verify_others(io: IO, folder: Path, hint: str, index: str) -> list[Damage]:
    """Return what is damaged beside the log; pod does without, and writes it anew in time."""
    names = io.names(folder)
    found = []
    data = _whole(io, folder / hint) if hint in names else b""
    if (
        data.strip(b"\0") and parse_hint(data) is None
    ):  # it is never synced: a crash may leave zeros, or nothing
        found.append(Damage(str(folder / hint), 0, "does not match its digest; the next save writes it anew"))
    if index in names and Table.parse(_whole(io, folder / index)) is None:
        found.append(Damage(str(folder / index), 0, "does not match its digest; the next save deletes it"))
    return found


def _whole(io: IO, path: Path) -> bytes:
    file = io.open(path)
    try:
        return file.read(0, file.status().size_bytes)
    finally:
        file.close()


def verify_log(log: LogFile, progress: Progress | None) -> list[Damage]:
    """Return what is damaged in a log file, up to where it is known to have been written whole."""
    file, path = log.file, str(log.path)
    end = max(log.end, log.durable)
    found: list[Damage] = []
    if parse_file_header(file.read(0, FILE_HEADER_BYTES)) is None:
        found.append(Damage(path, 0, "the file's header does not match its digest"))
    headers: list[bytes] | None = []
    position = FILE_HEADER_BYTES
    for frame in _all_frames(log, end):
        if frame.offset != position:
            found.append(_gap(path, position, frame.offset))
            headers = None
        position = frame.end
        if isinstance(frame.header, PieceFrame):
            if headers is not None:
                headers.append(frame.raw)
            if _digest(file, frame.offset + PIECE_BYTES, frame.header.length) != frame.header.digest:
                what = "a piece does not match its digest"
                found.append(Damage(path, frame.offset, what, digest=frame.header.digest))
        else:
            if headers is not None:
                found += _entry_damage(file, path, frame, frame.header, headers)
            headers = []
        if progress is not None:
            progress(position, end)
    if position < end:
        found.append(_gap(path, position, end))
    return found


def _gap(path: str, start: int, end: int) -> Damage:
    return Damage(path, start, f"{end - start} bytes are neither pieces nor entries")


def _all_frames(log: LogFile, end: int) -> Iterator[Frame]:
    """Yield all frames; behind one that does not parse, go on with the next that the index knows."""
    starts = [place.offset - PIECE_BYTES for _, place in log.index.pieces()]
    starts += [entry.offset for entry in log.index.entries]
    starts.sort()
    position = FILE_HEADER_BYTES
    while True:
        for frame in frames(log.file, position, end):
            position = frame.end
            yield frame
        following = bisect_right(starts, position)
        if position >= end or following == len(starts):
            return
        position = starts[following]


def _entry_damage(
    file: File, path: str, frame: Frame, entry: EntryFrame, headers: list[bytes]
) -> Iterator[Damage]:
    rest = file.read(frame.offset + ENTRY_BYTES, entry.head_bytes + entry.body_bytes)
    if entry_digest(headers, rest, frame.raw[:-32]) != entry.digest:
        try:
            tid = parse_head(rest[: entry.head_bytes]).tid or None
        except Corrupt:
            tid = None
        yield Damage(path, frame.offset, "an entry does not match its digest", tid=tid)


def _digest(file: File, offset: int, length: int) -> bytes:
    hasher = blake3()
    for start in range(0, length, _READ_BYTES):
        hasher.update(file.read(offset + start, min(_READ_BYTES, length - start)))
    return hasher.digest()
