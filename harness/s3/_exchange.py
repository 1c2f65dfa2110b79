"""One request and its answer: count, admit, verify, carry out, delay, spoil on purpose, send."""

from __future__ import annotations

import enum
import json
import os
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TextIO

from harness.s3._body import Body
from harness.s3._connection import Connection, sleep_until
from harness.s3._counters import S3Counters
from harness.s3._errors import S3Refusal
from harness.s3._faults import Fault, FaultPlan
from harness.s3._http import FileBody, RequestHead, Response
from harness.s3._network import OPERATIONS, Network, NetworkModel
from harness.s3._receive import payload_of
from harness.s3._request import XML_HEADERS, Handler, Request
from harness.s3._route import Route, route
from harness.s3._sigv4 import Verifier
from harness.s3._xml import error_document

__all__ = ["Ending", "Exchanger"]

_EXPECTED = frozenset((404, 412, 416))
_WRONG_ETAG = '"00000000000000000000000000000bad"'
_UNKNOWN = Route("Unknown", "other", "", "", {})


class Ending(enum.Enum):
    """What becomes of the connection."""

    KEEP = enum.auto()
    CLOSE = enum.auto()
    RESET = enum.auto()


class Exchanger:
    """Answers requests on any number of connections of one event loop.

    Parameters
    ----------
    handlers
        By S3's name of the operation.
    log
        Where to write one JSON line per request; None for nowhere.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        verifier: Verifier,
        model: NetworkModel,
        *,
        seed: int,
        log: TextIO | None,
    ) -> None:
        self.plan = FaultPlan()
        self._handlers = handlers
        self._verifier = verifier
        self._seed = seed
        self._log = log
        self._network = Network(model, time.monotonic, seed)
        self._counts = dict.fromkeys((*OPERATIONS, "bytes_out", "bytes_in", "errors"), 0)
        self._serial = 0

    @property
    def model(self) -> NetworkModel:
        """The network being imitated."""
        return self._network.model

    def use_model(self, model: NetworkModel) -> None:
        """Imitate `model` from the next request on."""
        self._network = Network(model, time.monotonic, self._seed)

    def use_faults(self, faults: list[Fault]) -> None:
        """Replace the rules in force."""
        self.plan = FaultPlan(faults, self._seed)

    def counters(self) -> S3Counters:
        """Since the start or the last reset."""
        return S3Counters(**self._counts)

    def reset_counters(self) -> None:
        """Set them to zero."""
        self._counts = dict.fromkeys(self._counts, 0)

    async def exchange(self, connection: Connection, head: RequestHead) -> Ending:
        """Answer one request."""
        arrived = time.monotonic()
        network = self._network
        connection.obey(network)
        self._serial += 1
        request_id = f"{self._serial:016X}"
        bytes_in, bytes_out = connection.bytes_in, connection.bytes_out
        body = Body(connection, head)
        where, refusal = _route(head)
        counts = self._counts
        counts[where.operation] += 1
        fault = self.plan.pick(where.operation, where.key) if self.plan.faults else None
        response = Response()
        ending = Ending.CLOSE
        try:
            try:
                response = await self._answer(network, head, where, refusal, body, fault)
            except S3Refusal as error:
                response = _error_response(error, head, request_id)
            except (OSError, sqlite3.Error) as error:
                response = _error_response(S3Refusal("InternalError", str(error)), head, request_id)
            keep = await body.drain() and head.keep_alive
            answer_at = time.monotonic() if connection.bytes_in != bytes_in else arrived
            await sleep_until(answer_at + network.first_byte_s(where.operation))
            ending = await _send(connection, response, fault, request_id, head.method, keep)
        finally:
            response.close()
            counts["bytes_in"] += connection.bytes_in - bytes_in
            counts["bytes_out"] += connection.bytes_out - bytes_out
            cut_off = ending is Ending.RESET or (fault is not None and fault.kind == "short")
            if cut_off or (response.status >= 400 and response.status not in _EXPECTED):
                counts["errors"] += 1
            if self._log is not None:
                entry = {
                    "time": round(time.time(), 6),
                    "operation": where.operation,
                    "name": where.name,
                    "bucket": where.bucket,
                    "key": where.key,
                    "range": head.headers.get("range"),
                    "status": response.status,
                    "bytes_in": connection.bytes_in - bytes_in,
                    "bytes_out": connection.bytes_out - bytes_out,
                    "seconds": round(time.monotonic() - arrived, 6),
                    "fault": fault.kind if fault else None,
                }
                self._log.write(json.dumps(entry) + "\n")
        return ending

    async def _answer(
        self,
        network: Network,
        head: RequestHead,
        where: Route,
        refusal: S3Refusal | None,
        body: Body,
        fault: Fault | None,
    ) -> Response:
        if not network.admit() or (fault is not None and fault.kind == "503"):
            raise S3Refusal("SlowDown", "Please reduce your request rate")
        if fault is not None and fault.kind == "500":
            raise S3Refusal("InternalError", "We encountered an internal error. Please try again.")
        signer = self._verifier.verify(head.method, head.raw_path, head.query, head.headers)
        if refusal is not None:
            raise refusal
        request = Request(head, where, body, payload_of(head.headers, signer))
        return await self._handlers[where.name](request)


def _route(head: RequestHead) -> tuple[Route, S3Refusal | None]:
    try:
        return route(head), None
    except S3Refusal as refusal:
        return _UNKNOWN, refusal


def _error_response(refusal: S3Refusal, head: RequestHead, request_id: str) -> Response:
    body = error_document(refusal.code, refusal.message, head.raw_path, request_id)
    return Response(refusal.status, {**XML_HEADERS, **refusal.headers}, body)


async def _send(
    connection: Connection, response: Response, fault: Fault | None, request_id: str, method: str, keep: bool
) -> Ending:
    count = 0 if method == "HEAD" else response.content_length
    if response.length is not None or response.status in (204, 304):
        count = 0
    body = response.body
    kind = fault.kind if fault is not None else ""
    if kind == "wrong-etag" and "ETag" in response.headers:
        response = replace(response, headers={**response.headers, "ETag": _WRONG_ETAG})
    elif kind == "corrupt" and count:
        body = _corrupted(body)
    head = response.head(request_id, keep_alive=keep)
    if fault is not None and kind in ("reset", "stall"):
        if fault.after_bytes is not None:
            await connection.send(head, body, min(count, fault.after_bytes))
        if kind == "stall":
            await connection.until_gone(fault.stall_s)
        return Ending.RESET
    if kind == "short" and count:
        await connection.send(head, body, count // 2)
        return Ending.CLOSE
    await connection.send(head, body, count)
    return Ending.KEEP if keep else Ending.CLOSE


def _corrupted(body: bytes | FileBody) -> bytes:
    data = bytearray(os.pread(body.fd, body.count, body.offset) if isinstance(body, FileBody) else body)
    data[len(data) // 2] ^= 0xFF
    return bytes(data)
