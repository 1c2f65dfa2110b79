"""Bodies that come in chunks: HTTP's transfer coding, and S3's aws-chunked with its signatures and trailers.

Both have one grammar::

    body    = *( size-in-hex [ ";" extension ] CRLF  size bytes  CRLF )  "0" [ ";" extension ] CRLF  *( trailer CRLF )  CRLF
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from harness.s3._errors import S3Refusal
from harness.s3._sigv4 import ChunkSigner

__all__ = ["ChunkDecoder"]

_MAX_LINE_BYTES = 16 * 1024


class ChunkDecoder:
    """Feed what arrives, take what it carries.

    Parameters
    ----------
    signer
        Checks ``chunk-signature`` of every chunk; None where chunks are not signed.
    """

    def __init__(self, signer: ChunkSigner | None = None) -> None:
        self.done = False
        self.trailers: dict[str, str] = {}
        self._signer = signer
        self._buffer = bytearray()
        self._left = 0
        self._state = "size"
        self._claimed = ""
        self._sha256 = hashlib.sha256()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payload in `data`; `done` is set behind the last trailer. Bytes after the end are refused."""
        self._buffer += data
        while self._buffer and not self.done:
            if self._state == "data":
                piece = bytes(self._buffer[: self._left])
                del self._buffer[: len(piece)]
                self._left -= len(piece)
                if self._signer is not None:
                    self._sha256.update(piece)
                if self._left == 0:
                    self._state = "data end"
                    self._check_signature()
                yield piece
                continue
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > _MAX_LINE_BYTES:
                    raise S3Refusal("IncompleteBody", "A chunk of the body has no readable size")
                return
            line = bytes(self._buffer[:end]).decode("latin-1")
            del self._buffer[: end + 2]
            self._take_line(line)
        if self.done and self._buffer:
            raise S3Refusal("IncompleteBody", "There are bytes behind the last chunk of the body")

    def _take_line(self, line: str) -> None:
        if self._state == "size":
            size, _, extension = line.partition(";")
            try:
                self._left = int(size.strip(), 16)
            except ValueError as error:
                raise S3Refusal("IncompleteBody", "A chunk of the body has no readable size") from error
            if self._left < 0:
                raise S3Refusal("IncompleteBody", "A chunk of the body has no readable size")
            name, _, value = extension.strip().partition("=")
            self._claimed = value if name == "chunk-signature" else ""
            self._sha256 = hashlib.sha256()
            if self._left:
                self._state = "data"
            else:
                self._state = "trailers"
                self._check_signature()
        elif self._state == "data end":
            if line:
                raise S3Refusal("IncompleteBody", "A chunk of the body is longer than its size")
            self._state = "size"
        elif line:
            name, _, value = line.partition(":")
            self.trailers[name.strip().lower()] = value.strip()
        else:
            self.done = True

    def _check_signature(self) -> None:
        if self._signer is not None and self._claimed != self._signer.next(self._sha256.hexdigest()):
            raise S3Refusal("SignatureDoesNotMatch", "The signature of a chunk of the body does not match")
