"""sim: an S3 server on an event loop, with the network model between it and its clients."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TextIO

from harness.s3._body import Body
from harness.s3._buckets import Buckets
from harness.s3._connection import Connection, PeerGone
from harness.s3._control import CONTROL_PREFIX, answer_control
from harness.s3._errors import S3ServerError
from harness.s3._exchange import Ending, Exchanger
from harness.s3._http import BadRequestHead, RequestHead, Response
from harness.s3._multipart import Multipart
from harness.s3._network import NetworkModel
from harness.s3._objects import Objects
from harness.s3._request import XML_HEADERS
from harness.s3._sigv4 import Credentials, Verifier
from harness.s3._store import ObjectStore
from harness.s3._xml import error_document

__all__ = ["SimServer"]

_LOOPBACK = ("127.", "::1", "::ffff:127.")
_BACKLOG = 1024


class SimServer:
    """Listens when started; one task per connection.

    Parameters
    ----------
    store
        Where the objects are.
    credentials
        Of the one client identity.
    model
        The network to imitate at first; the control API changes it.
    seed
        Of jitter and of faults with a probability.
    log
        Where to write one JSON line per request; None for nowhere.
    """

    def __init__(
        self,
        store: ObjectStore,
        credentials: Credentials,
        model: NetworkModel,
        *,
        region: str = "us-east-1",
        seed: int = 0,
        log: TextIO | None = None,
    ) -> None:
        handlers = {
            **Buckets(store, region).handlers(),
            **Objects(store).handlers(),
            **Multipart(store).handlers(),
        }
        self._exchanger = Exchanger(handlers, Verifier(credentials, time.time), model, seed=seed, log=log)
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise S3ServerError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        listener.setblocking(False)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener)
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        task = asyncio.get_running_loop().create_task(self._serve(Connection(sock, str(address[0]))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        ending = Ending.KEEP
        try:
            while ending is Ending.KEEP:
                raw = await connection.read_head()
                if raw is None:
                    break
                head = RequestHead.parse(raw)
                if head.raw_path.startswith(CONTROL_PREFIX):
                    ending = await self._control(connection, head)
                else:
                    ending = await self._exchanger.exchange(connection, head)
        except BadRequestHead as error:
            await _refuse(connection, str(error))
        except PeerGone:
            pass
        finally:
            connection.close(reset=ending is Ending.RESET)

    async def _control(self, connection: Connection, head: RequestHead) -> Ending:
        asked = b"".join([piece async for piece in Body(connection, head)])
        if connection.peer.startswith(_LOOPBACK):
            response = answer_control(self._exchanger, head.method, head.raw_path, asked)
        else:
            response = Response(403)
        await connection.send(
            response.head("-", keep_alive=head.keep_alive), response.body, response.content_length
        )
        return Ending.KEEP if head.keep_alive else Ending.CLOSE


async def _refuse(connection: Connection, reason: str) -> None:
    body = error_document("InvalidRequest", reason, "", "")
    try:
        await connection.send(Response(400, XML_HEADERS, body).head("-", keep_alive=False), body, len(body))
    except PeerGone:
        return
