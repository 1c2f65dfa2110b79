"""Appending transactions to a log file."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from pod.format import EntryFrame, pack_piece
from pod.log._backend import flat
from pod.log._index import EntryPlace, PiecePlace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from pod.io import File
    from pod.log._backend import Pieces

__all__ = ["Writer"]

COPIED_BYTES: Final = 1 << 14
"""Parts up to this size are copied and written together; larger ones go to the disk as they are."""
_KEPT_BYTES = 1 << 9
"""`bytes` from this size on cannot change and are not worth a copy: they are kept until they are written."""

_BUFFER_BYTES = 1 << 20
_HURRIED_BYTES = 1 << 23
UNSYNCED_BYTES: Final = 1 << 20
"""Pieces up to this many bytes are made durable together with their entry, by one sync.

After a crash they must all be read to know that they are whole; more than this, and a sync of their own is quicker.
"""


class Writer:
    """Writes one transaction after the other at the end of a log file.

    Attributes
    ----------
    end
        Where the next byte goes.
    pieces
        Of the running transaction.
    touched
        Whether anything has been written to the file.
    """

    def __init__(self, file: File, end: int) -> None:
        self._file = file
        self._start = self.end = end
        self._flushed = self._hurried = end
        self._waiting: list[Buffer] = []
        self._waiting_bytes = 0
        self._tail = bytearray()  # what waits behind these
        self._borrowed = False  # whether what waits is somebody's who may change it
        self._headers = blake3()
        self._count = 0
        self.pieces: dict[bytes, PiecePlace] = {}
        self.touched = False
        self._failure: tuple[int, str] | None = None

    def append(self, pieces: Pieces) -> None:
        """Append pieces; what could change of them is copied or written before this returns, whoever raises."""
        try:
            for digest, parts in pieces:
                self._append(digest, flat(parts))
                if self._waiting_bytes >= _BUFFER_BYTES:
                    self._flush()
        finally:
            if self._borrowed:
                self._flush()

    def _append(self, digest: bytes, parts: Sequence[bytes | memoryview]) -> None:
        length = sum(map(len, parts))
        header = pack_piece(length, digest)
        self._headers.update(header)
        self._count += 1
        self._tail += header
        self.pieces[digest] = PiecePlace(self.end + len(header), length)
        self.end += len(header) + length
        self._waiting_bytes += len(header) + length
        for part in parts:
            kept = type(part) is bytes
            if len(part) < _KEPT_BYTES if kept else len(part) <= COPIED_BYTES:
                self._tail += part
            else:
                self._waiting += (self._tail, part)
                self._tail = bytearray()
                self._borrowed |= not kept

    def entry(self, head: bytes, body: bytes, *, sync: bool = True) -> tuple[EntryPlace, bytes]:
        """End the transaction; return the entry's place and the bytes of its header.

        With `sync` it is durable afterwards. Without, the whole file must be synced before it gets its name.
        """
        pieces_bytes = self.end - self._start
        synced = not sync or pieces_bytes > UNSYNCED_BYTES
        if sync and synced:
            self._flush()
            self._file.sync()
        frame = EntryFrame(synced, len(head), len(body), self._count, pieces_bytes)
        raw = frame.pack_without_digest()
        for part in (head, body, raw):
            self._headers.update(part)
        raw += self._headers.digest()
        place = EntryPlace(self.end, len(head), len(body))
        self.end += frame.total_bytes
        self._waiting += (self._tail, raw, head, body)
        self._tail = bytearray()
        self._flush()
        if sync:
            self._file.sync()
        self._start = self.end
        self._headers = blake3()
        self._count = 0
        return place, raw

    def _flush(self) -> None:
        """Write what was appended; let the disk begin with what has come together, so that a sync finds little to do."""
        if self._failure is not None:
            raise OSError(*self._failure)
        parts = [*self._waiting, self._tail]
        self._waiting, self._waiting_bytes, self._tail, self._borrowed = [], 0, bytearray(), False
        self.touched = True
        try:
            self._flushed += self._file.write(self._flushed, parts)
        except (
            BaseException
        ) as error:  # a piece is missing: an entry must not follow, even if the caller goes on
            code = (error.errno if isinstance(error, OSError) else None) or errno.EINTR
            self._failure = code, os.strerror(code)
            raise
        if self._flushed - self._hurried >= _HURRIED_BYTES:
            self._file.hurry(self._hurried, self._flushed - self._hurried)
            self._hurried = self._flushed
