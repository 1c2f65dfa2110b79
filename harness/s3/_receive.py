"""A body on its way into a file: unpacked from its chunks, counted, and held against every digest the client sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.s3._chunks import ChunkDecoder
from harness.s3._errors import S3Refusal
from harness.s3._sigv4 import ChunkSigner

__all__ = ["Received", "payload_of", "receive_bytes", "receive_file"]

_STREAMING = "STREAMING-"
_MAX_DOCUMENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    size: int
    md5: bytes


class _Checks:
    """The digests of a payload while it passes."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._md5 = hashlib.md5(usedforsecurity=False)
        claimed = headers.get("x-amz-content-sha256", "")
        self._claimed_sha256 = claimed if len(claimed) == 64 else ""
        names = f"{headers.get('x-amz-trailer', '')},{','.join(headers)}"
        self._wants_crc32 = "x-amz-checksum-crc32" in names.split(",")
        self._wants_sha256 = bool(self._claimed_sha256) or "x-amz-checksum-sha256" in names
        self._sha256 = hashlib.sha256()
        self._crc32 = 0
        self._size = 0

    def update(self, piece: bytes) -> None:
        self._size += len(piece)
        self._md5.update(piece)
        if self._wants_sha256:
            self._sha256.update(piece)
        if self._wants_crc32:
            self._crc32 = zlib.crc32(piece, self._crc32)

    def finish(self, trailers: Mapping[str, str]) -> Received:
        """Raise S3Refusal where anything the client claimed is not so."""
        said = {**self._headers, **trailers}
        if self._claimed_sha256 and self._sha256.hexdigest() != self._claimed_sha256:
            raise S3Refusal(
                "XAmzContentSHA256Mismatch", "The 'x-amz-content-sha256' is not that of what arrived"
            )
        decoded = said.get("x-amz-decoded-content-length")
        if decoded is not None and decoded != str(self._size):
            raise S3Refusal("IncompleteBody", f"{decoded} bytes were announced and {self._size} arrived")
        found = {
            "content-md5": self._md5.digest(),
            "x-amz-checksum-sha256": self._sha256.digest(),
            "x-amz-checksum-crc32": self._crc32.to_bytes(4, "big"),
        }
        for name, digest in found.items():
            if name in said and _base64(said[name]) != digest:
                raise S3Refusal("BadDigest", f"The {name} you specified did not match what we received")
        return Received(self._size, self._md5.digest())


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def payload_of(headers: Mapping[str, str], signer: ChunkSigner | None) -> ChunkDecoder | None:
    """What unpacks the body of a request; None where the body is the payload."""
    if headers.get("x-amz-content-sha256", "").startswith(_STREAMING):
        return ChunkDecoder(signer)
    return None


async def receive_file(
    pieces: AsyncIterator[bytes], headers: Mapping[str, str], decoder: ChunkDecoder | None, path: Path
) -> Received:
    """Write the payload to `path`; on any failure nothing is left there."""
    checks = _Checks(headers)
    try:
        with path.open("xb", buffering=0) as file:
            async for arrived in pieces:
                for piece in _unpack(arrived, decoder):
                    checks.update(piece)
                    file.write(piece)
        return _finish(checks, decoder)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def receive_bytes(
    pieces: AsyncIterator[bytes], headers: Mapping[str, str], decoder: ChunkDecoder | None
) -> bytes:
    """The payload in memory (the XML of a request)."""
    checks = _Checks(headers)
    found = bytearray()
    async for arrived in pieces:
        for piece in _unpack(arrived, decoder):
            checks.update(piece)
            found += piece
        if len(found) > _MAX_DOCUMENT_BYTES:
            raise S3Refusal("MalformedXML", "The document is too large")
    _finish(checks, decoder)
    return bytes(found)


def _unpack(piece: bytes, decoder: ChunkDecoder | None) -> Iterable[bytes]:
    return (piece,) if decoder is None else decoder.feed(piece)


def _finish(checks: _Checks, decoder: ChunkDecoder | None) -> Received:
    if decoder is None:
        return checks.finish({})
    if not decoder.done:
        raise S3Refusal("IncompleteBody", "The body ends before its last chunk")
    return checks.finish(decoder.trailers)
