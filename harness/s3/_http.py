"""HTTP/1.1 as far as S3 needs it: a request's head, ranges and conditions, an answer's head."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import unquote

from harness.s3._errors import S3Refusal

__all__ = [
    "BadRequestHead",
    "FileBody",
    "RequestHead",
    "Response",
    "etag_matches",
    "http_date",
    "iso_date",
    "parse_range",
    "unchanged",
]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_dates: dict[int, str] = {}


class BadRequestHead(Exception):
    """Not HTTP/1.1; the connection is closed after a 400."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request without its body. Header names are lower case; `query` is decoded and in the order sent."""

    method: str
    target: str
    raw_path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    keep_alive: bool

    @classmethod
    def parse(cls, raw: bytes) -> RequestHead:
        """From the bytes up to, not including, the empty line."""
        lines = raw.decode("latin-1").split("\r\n")
        if raw.count(b"\n") != len(lines) - 1 or raw.count(b"\r") != len(lines) - 1 or b"\0" in raw:
            raise BadRequestHead("a line of the head has a bare line break or NUL in it")
        try:
            method, target, version = lines[0].split(" ")
        except ValueError as error:
            raise BadRequestHead(f"no request line: {lines[0][:80]!r}") from error
        if not version.startswith("HTTP/1.") or not target:
            raise BadRequestHead(f"not HTTP/1.x: {version[:20]!r}")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name[-1] == " ":
                raise BadRequestHead(f"no header: {line[:80]!r}")
            name = name.lower()
            value = value.strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        if target[0] != "/":
            _, _, rest = target.partition("://")
            target = "/" + rest.partition("/")[2]
        raw_path, mark, raw_query = target.partition("?")
        connection = headers.get("connection", "").lower()
        keep_alive = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
        return cls(method, target, raw_path, _query(raw_query) if mark else [], headers, keep_alive)

    def content_length(self) -> int:
        """Of the body on the wire; 0 where nothing is said."""
        text = self.headers.get("content-length", "0")
        if not text.isascii() or not text.isdigit():
            raise BadRequestHead(f"no content length: {text[:40]!r}")
        return int(text)


def _query(raw: str) -> list[tuple[str, str]]:
    pairs = []
    for piece in raw.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((unquote(name), unquote(value)) if "%" in piece else (name, value))
    return pairs


@dataclass(frozen=True, slots=True)
class FileBody:
    """`count` bytes from `offset` of an open file; whoever sends them closes it."""

    fd: int
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `length` is what Content-Length says when there is no body to count (HEAD)."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FileBody = b""
    length: int | None = None

    @property
    def content_length(self) -> int:
        if self.length is not None:
            return self.length
        return self.body.count if isinstance(self.body, FileBody) else len(self.body)

    def close(self) -> None:
        """Let go of the file, if there is one."""
        if isinstance(self.body, FileBody):
            os.close(self.body.fd)

    def head(self, request_id: str, *, keep_alive: bool) -> bytes:
        """The bytes before the body."""
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {self.content_length}")
        lines.append(f"x-amz-request-id: {request_id}")
        if not keep_alive:
            lines.append("Connection: close")
        lines.append("Server: harness-s3-sim\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1", "replace")


def http_date(seconds: float) -> str:
    """RFC 9110 date, remembered, since objects share theirs by the thousand."""
    whole = int(seconds)
    found = _dates.get(whole)
    if found is None:
        if len(_dates) > 4096:
            _dates.clear()
        found = _dates[whole] = formatdate(whole, usegmt=True)
    return found


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """(offset, count) of a single ``bytes=`` range of an object of `size` bytes.

    None where the header is to be ignored (another unit, several ranges, not a range): S3 answers such a request with
    the whole object. Raises S3Refusal(InvalidRange) where no byte of the object is asked for.
    """
    unit, _, spec = text.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not (first.isdigit() or (not first and last.isdigit())):
        return None
    if last and not last.isdigit():
        return None
    if first:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    else:
        start = max(0, size - int(last))
        end = size - 1
    if start >= size or (not first and int(last) == 0):
        raise S3Refusal(
            "InvalidRange", "The requested range is not satisfiable", {"Content-Range": f"bytes */{size}"}
        )
    return start, end - start + 1


def etag_matches(header: str, etag: str) -> bool:
    """Whether a list of etags (``*``, ``"a", W/"b"``) names `etag` (without quotes)."""
    return any(
        piece.strip() == "*" or piece.strip().removeprefix("W/").strip('"') == etag
        for piece in header.split(",")
    )


def unchanged(headers: Mapping[str, str], etag: str, modified: float) -> bool:
    """Whether a reader that names what it has should be told 304; raises PreconditionFailed where it wants another."""
    match = headers.get("if-match")
    if match is not None:
        if not etag_matches(match, etag):
            raise S3Refusal(
                "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
            )
    elif "if-unmodified-since" in headers:
        since = _seconds(headers["if-unmodified-since"])
        if since is not None and int(modified) > since:
            raise S3Refusal(
                "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
            )
    none_match = headers.get("if-none-match")
    if none_match is not None:
        return etag_matches(none_match, etag)
    since = _seconds(headers["if-modified-since"]) if "if-modified-since" in headers else None
    return since is not None and int(modified) <= since


def _seconds(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso_date(seconds: float) -> str:
    """The date format of S3's XML."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
