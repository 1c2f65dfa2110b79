"""Appending transactions to a log file."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from pod.format import EntryFrame, pack_piece
from pod.log._index import EntryPlace, PiecePlace

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from pod.io import File
    from pod.log._backend import Pieces

__all__ = ["Writer"]

COPIED_BYTES: Final = 1 << 14
"""Parts up to this size are copied and written together; larger ones go to the disk as they are."""

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
        self._whole: list[Buffer] = []
        self._whole_bytes = 0
        self._copied = bytearray()
        self._headers = blake3()
        self._count = 0
        self.pieces: dict[bytes, PiecePlace] = {}
        self.touched = False
        self._failure: tuple[int, str] | None = None

    def append(self, pieces: Pieces) -> None:
        """Append pieces; their parts are copied or written before this returns, whoever raises."""
        try:
            for digest, parts in pieces:
                self._append(digest, [memoryview(part).cast("B") for part in parts])
                if self._whole_bytes >= _BUFFER_BYTES:
                    self._flush()
        finally:
            if self._whole or len(self._copied) >= _BUFFER_BYTES:
                self._flush()

    def _append(self, digest: bytes, views: list[memoryview]) -> None:
        length = sum(map(len, views))
        header = pack_piece(length, digest)
        self._headers.update(header)
        self._count += 1
        self._copied += header
        self.pieces[digest] = PiecePlace(self.end + len(header), length)
        self.end += len(header) + length
        if length <= COPIED_BYTES:
            for view in views:
                self._copied += view
        else:
            self._whole += [self._copied, *views]
            self._whole_bytes += length
            self._copied = bytearray()

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
        self._whole += [self._copied, raw, head, body]
        self._copied = bytearray()
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
        parts = [*self._whole, self._copied]
        self._whole, self._whole_bytes, self._copied = [], 0, bytearray()
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
