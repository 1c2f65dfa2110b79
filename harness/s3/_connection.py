"""One TCP connection of sim: bytes in, bytes out, at the pace the network model allows.

Why not asyncio's transports: an answer of 8 MiB would be copied into a transport's buffer and from there, slice by
slice, into the socket. Here the socket is non-blocking and watched directly, bodies go out by sendfile(2), and a request
of 150 KiB costs one wake-up and two system calls.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct

from harness.s3._http import BadRequestHead, FileBody
from harness.s3._network import SLICE_BYTES, Flow, Network

__all__ = ["Connection", "PeerGone", "sleep_until"]

_HEAD_LIMIT_BYTES = 64 * 1024
_BUFFER_LIMIT_BYTES = 1024 * 1024
_RECEIVE_BYTES = 256 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)
# epoll waits in whole milliseconds, rounded up, and waking takes its time: asking this much earlier makes timers right
# on average (measured: 0.9 ms late on a 2-vCPU VM), where else every answer would be late.
_EARLY_S = 0.0009


class PeerGone(Exception):
    """The client has closed or reset the connection."""


async def sleep_until(moment: float) -> None:
    """Until the event loop's clock shows `moment`, on average."""
    loop = asyncio.get_running_loop()
    if moment - loop.time() <= _EARLY_S:
        return
    wake = loop.create_future()
    timer = loop.call_at(moment - _EARLY_S, _wake, wake)
    try:
        await wake
    finally:
        timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Connection:
    """Reads heads and bodies, sends answers. Used by one task."""

    def __init__(self, sock: socket.socket, peer: str) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = peer
        self.bytes_out = 0
        self.bytes_in = 0
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._ended = False
        self._watched = False
        self._readable: asyncio.Future[None] | None = None
        self._network: Network | None = None
        self._out: Flow | None = None
        self._in: Flow | None = None
        self._watch()

    # the network model

    def obey(self, network: Network) -> None:
        """From now on send and receive as `network` says."""
        if network is not self._network:
            self._network = network
            self._out = network.outgoing() if network.paced else None
            self._in = network.incoming() if network.paced else None

    # reading

    def _watch(self) -> None:
        if not self._watched and not self._ended:
            self._loop.add_reader(self._sock.fileno(), self._on_readable)
            self._watched = True

    def _unwatch(self) -> None:
        if self._watched:
            self._loop.remove_reader(self._sock.fileno())
            self._watched = False

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._buffer += data
            if len(self._buffer) >= _BUFFER_LIMIT_BYTES:
                self._unwatch()
        else:
            self._ended = True
            self._unwatch()
        if self._readable is not None:
            _wake(self._readable)

    async def _more(self) -> None:
        """Wait for bytes or the end."""
        self._watch()
        if self._ended:
            raise PeerGone
        self._readable = self._loop.create_future()
        try:
            await self._readable
        finally:
            self._readable = None

    async def read_head(self) -> bytes | None:
        """The next request up to its empty line; None when the client has no more."""
        while True:
            while self._buffer.startswith(b"\r\n"):
                del self._buffer[:2]
            end = self._buffer.find(b"\r\n\r\n")
            if end >= 0:
                head = bytes(self._buffer[:end])
                del self._buffer[: end + 4]
                return head
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise BadRequestHead("the head is longer than 64 KiB")
            try:
                await self._more()
            except PeerGone:
                return None

    def begin_body(self) -> None:
        """The client starts to send a body now."""
        if self._in is not None:
            self._in.begin(self._loop.time())

    async def read_some(self, limit: int) -> bytes:
        """At least one and at most `limit` bytes of a body, when they would have arrived; raises PeerGone at the end."""
        while not self._buffer:
            await self._more()
        piece = bytes(self._buffer[: min(limit, SLICE_BYTES)])
        del self._buffer[: len(piece)]
        self.bytes_in += len(piece)
        if self._in is not None:
            await sleep_until(self._in.reserve(len(piece)))
        return piece

    async def read_line(self) -> bytes:
        """Up to the next CRLF, which is taken too."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise BadRequestHead("a line is longer than 64 KiB")
            await self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def until_gone(self, limit_s: float) -> None:
        """Wait until the client gives up, at most `limit_s`; what it sends meanwhile is dropped."""
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    self._buffer.clear()
                    await self._more()
        except (TimeoutError, PeerGone):
            pass

    # writing

    async def _writable(self) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        fd = self._sock.fileno()
        self._loop.add_writer(fd, _wake, future)
        try:
            await future
        finally:
            self._loop.remove_writer(fd)

    async def _send_all(self, data: bytes | memoryview, flags: int = 0) -> None:
        view = memoryview(data)
        while view:
            try:
                sent = self._sock.send(view, flags)
            except (BlockingIOError, InterruptedError):
                await self._writable()
                continue
            except OSError as error:
                raise PeerGone from error
            view = view[sent:]

    async def _send_file(self, fd: int, offset: int, count: int) -> None:
        out = self._sock.fileno()
        while count:
            try:
                sent = os.sendfile(out, fd, offset, count)
            except (BlockingIOError, InterruptedError):
                await self._writable()
                continue
            except OSError as error:
                raise PeerGone from error
            if sent == 0:
                raise PeerGone
            offset += sent
            count -= sent

    async def send_interim(self, data: bytes) -> None:
        """Something before the answer."""
        await self._send_all(data)

    async def send(self, head: bytes, body: bytes | FileBody, count: int) -> None:
        """`head` and the first `count` bytes of `body`."""
        if self._out is None:
            if isinstance(body, bytes):
                await self._send_all(head + body[:count])
            else:
                await self._send_all(head, socket.MSG_MORE if count else 0)
                await self._send_file(body.fd, body.offset, count)
            self.bytes_out += count
            return
        await self._send_all(head)
        self._out.begin(self._loop.time())
        for start in range(0, count, SLICE_BYTES):
            size = min(SLICE_BYTES, count - start)
            await sleep_until(self._out.reserve(size))
            if isinstance(body, bytes):
                await self._send_all(memoryview(body)[start : start + size])
            else:
                await self._send_file(body.fd, body.offset + start, size)
            self.bytes_out += size

    # the end

    def close(self, *, reset: bool = False) -> None:
        """Close in good order, or with a reset."""
        self._unwatch()
        if reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._sock.close()
