"""The body of one request as an asynchronous iterator of pieces, by length or in HTTP's chunked coding."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

from harness.s3._connection import Connection
from harness.s3._http import BadRequestHead, RequestHead

__all__ = ["Body"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Body(AsyncIterator[bytes]):
    """What follows a head. A client that waits for ``100 Continue`` gets it when the first piece is asked for."""

    def __init__(self, connection: Connection, head: RequestHead) -> None:
        coding = head.headers.get("transfer-encoding", "identity").lower()
        if coding not in ("identity", "chunked"):
            raise BadRequestHead(f"no such transfer coding: {coding[:40]}")
        self._connection = connection
        self._chunked = coding == "chunked"
        self._left = 0 if self._chunked else head.content_length()
        self._begun = False
        self._waited_for = head.headers.get("expect", "").lower() == "100-continue"
        self.ended = not self._chunked and self._left == 0

    async def __anext__(self) -> bytes:
        if not self._begun:
            self._begun = True
            if self._waited_for and not self.ended:
                await self._connection.send_interim(_CONTINUE)
            self._connection.begin_body()
            if self._chunked:
                await self._next_chunk()
        if self.ended:
            raise StopAsyncIteration
        piece = await self._connection.read_some(self._left)
        self._left -= len(piece)
        if self._left == 0:
            if self._chunked:
                if await self._connection.read_line():
                    raise BadRequestHead("a chunk is longer than its size")
                await self._next_chunk()
            else:
                self.ended = True
        return piece

    async def _next_chunk(self) -> None:
        size = (await self._connection.read_line()).partition(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError as error:
            raise BadRequestHead(f"no chunk size: {size[:20]!r}") from error
        if not 0 <= self._left <= sys.maxsize:
            raise BadRequestHead(f"no chunk size: {size[:20]!r}")
        if self._left == 0:
            while await self._connection.read_line():
                pass
            self.ended = True

    async def drain(self) -> bool:
        """Read what nobody wanted; False where the client still waits to be asked, so that the connection must close."""
        if self._waited_for and not self._begun and not self.ended:
            return False
        async for _ in self:
            pass
        return True
