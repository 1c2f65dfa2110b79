"""A routed, verified request and what its headers mean to a write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from harness.s3._chunks import ChunkDecoder
from harness.s3._errors import S3Refusal
from harness.s3._http import RequestHead, Response
from harness.s3._receive import receive_bytes
from harness.s3._route import Route
from harness.s3._store import Condition

__all__ = ["XML_HEADERS", "Handler", "Request", "kept_headers", "write_condition"]

XML_HEADERS: Mapping[str, str] = {"Content-Type": "application/xml"}
_KEPT = frozenset(("content-type", "content-disposition", "content-language", "cache-control", "expires"))


@dataclass(frozen=True, slots=True)
class Request:
    """`body` yields what is on the wire; `decoder` unpacks it."""

    head: RequestHead
    route: Route
    body: AsyncIterator[bytes]
    decoder: ChunkDecoder | None

    async def document(self) -> bytes:
        """The body in memory."""
        return await receive_bytes(self.body, self.head.headers, self.decoder)


Handler = Callable[[Request], Awaitable[Response]]


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What of a write's headers the object gives back when read."""
    kept = {name: value for name, value in headers.items() if name in _KEPT or name.startswith("x-amz-meta-")}
    encodings = [e.strip() for e in headers.get("content-encoding", "").split(",")]
    encoding = ",".join(e for e in encodings if e and e != "aws-chunked")
    if encoding:
        kept["content-encoding"] = encoding
    kept.setdefault("content-type", "binary/octet-stream")
    return kept


def write_condition(headers: Mapping[str, str]) -> Condition:
    """``If-None-Match: *`` and ``If-Match: etag``; S3 knows no others on a write."""
    none_match = headers.get("if-none-match")
    if none_match is not None and none_match.strip() != "*":
        raise S3Refusal("NotImplemented", "If-None-Match on a write takes * only")
    match = headers.get("if-match")
    return Condition(absent=none_match is not None, etag=None if match is None else match.strip().strip('"'))
