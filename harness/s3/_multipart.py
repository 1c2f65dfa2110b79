"""Multipart uploads: parts are blobs of their own until the upload is completed, then one blob."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.s3._errors import S3Refusal
from harness.s3._http import Response, iso_date
from harness.s3._receive import receive_file
from harness.s3._request import XML_HEADERS, Handler, Request, kept_headers, write_condition
from harness.s3._store import ObjectStore, Part
from harness.s3._xml import Element, document, parse_complete

__all__ = ["Multipart"]

_MIN_PART_BYTES = 5 * 1024 * 1024
_MAX_PARTS = 10_000
_COPY_BYTES = 4 * 1024 * 1024


class Multipart:
    """Create, upload part, complete, abort, list."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "CreateMultipartUpload": self._create,
            "UploadPart": self._upload_part,
            "CompleteMultipartUpload": self._complete,
            "AbortMultipartUpload": self._abort,
            "ListParts": self._list_parts,
            "ListMultipartUploads": self._list_uploads,
        }

    async def _create(self, request: Request) -> Response:
        route = request.route
        await request.document()
        upload = self._store.create_upload(route.bucket, route.key, kept_headers(request.head.headers))
        fields: list[Element] = [("Bucket", route.bucket), ("Key", route.key), ("UploadId", upload)]
        return Response(200, XML_HEADERS, document("InitiateMultipartUploadResult", fields))

    async def _upload_part(self, request: Request) -> Response:
        route, upload = request.route, request.route.params["uploadId"]
        text = route.params.get("partNumber", "")
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_PARTS):
            raise S3Refusal("InvalidArgument", f"Part number must be an integer between 1 and {_MAX_PARTS}")
        self._store.upload_headers(route.bucket, route.key, upload)
        blob, path = self._store.new_blob()
        received = await receive_file(request.body, request.head.headers, request.decoder, path)
        try:
            self._store.upload_headers(route.bucket, route.key, upload)
        except S3Refusal:
            self._store.drop_blob(blob)
            raise
        etag = received.md5.hex()
        self._store.put_part(upload, int(text), blob=blob, size=received.size, etag=etag)
        return Response(200, {"ETag": f'"{etag}"'})

    async def _complete(self, request: Request) -> Response:
        route, upload = request.route, request.route.params["uploadId"]
        named = parse_complete(await request.document())
        headers = self._store.upload_headers(route.bucket, route.key, upload)
        condition = write_condition(request.head.headers)
        self._store.check(route.bucket, route.key, condition)
        parts = _chosen(self._store.parts(upload), named)
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
        blob, path = self._store.new_blob()
        try:
            await asyncio.to_thread(_join, [self._store.blob_path(part.blob) for part in parts], path)
            self._store.upload_headers(route.bucket, route.key, upload)
            stored = self._store.commit(
                route.bucket,
                route.key,
                blob=blob,
                size=sum(part.size for part in parts),
                etag=f"{digest.hexdigest()}-{len(parts)}",
                headers=headers,
                condition=condition,
                upload=upload,
            )
        except BaseException:
            self._store.drop_blob(blob)
            raise
        fields: list[Element] = [
            ("Location", f"/{route.bucket}/{route.key}"),
            ("Bucket", route.bucket),
            ("Key", route.key),
            ("ETag", f'"{stored.etag}"'),
        ]
        return Response(200, XML_HEADERS, document("CompleteMultipartUploadResult", fields))

    async def _abort(self, request: Request) -> Response:
        route, upload = request.route, request.route.params["uploadId"]
        self._store.upload_headers(route.bucket, route.key, upload)
        self._store.abort_upload(upload)
        return Response(204)

    async def _list_parts(self, request: Request) -> Response:
        route, upload = request.route, request.route.params["uploadId"]
        self._store.upload_headers(route.bucket, route.key, upload)
        marker, count = (
            _number(route.params, "part-number-marker", 0),
            _number(route.params, "max-parts", 1000),
        )
        found = [part for part in self._store.parts(upload) if part.number > marker]
        page = found[: min(count, 1000)]
        fields: list[Element] = [
            ("Bucket", route.bucket),
            ("Key", route.key),
            ("UploadId", upload),
            ("PartNumberMarker", marker),
            ("MaxParts", count),
            ("IsTruncated", len(page) < len(found)),
        ]
        if page:
            fields.append(("NextPartNumberMarker", page[-1].number))
        fields += [("Part", _part_fields(part)) for part in page]
        return Response(200, XML_HEADERS, document("ListPartsResult", fields))

    async def _list_uploads(self, request: Request) -> Response:
        route = request.route
        prefix = route.params.get("prefix", "")
        fields: list[Element] = [("Bucket", route.bucket), ("Prefix", prefix), ("IsTruncated", False)]
        fields += [
            ("Upload", [("Key", key), ("UploadId", upload), ("Initiated", iso_date(started))])
            for key, upload, started in self._store.uploads(route.bucket, prefix)
        ]
        return Response(200, XML_HEADERS, document("ListMultipartUploadsResult", fields))


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise S3Refusal("InvalidArgument", f"{name} must be a number, not {text}")
    return int(text)


def _part_fields(part: Part) -> list[Element]:
    return [
        ("PartNumber", part.number),
        ("LastModified", iso_date(part.modified)),
        ("ETag", f'"{part.etag}"'),
        ("Size", part.size),
    ]


def _chosen(parts: Sequence[Part], named: Sequence[tuple[int, str]]) -> list[Part]:
    """The parts the client named, if they are there as it thinks and large enough."""
    by_number = {part.number: part for part in parts}
    chosen = []
    for number, etag in named:
        part = by_number.get(number)
        if part is None or part.etag != etag:
            raise S3Refusal("InvalidPart", f"Part {number} could not be found, or its etag is another")
        chosen.append(part)
    if any(part.size < _MIN_PART_BYTES for part in chosen[:-1]):
        raise S3Refusal("EntityTooSmall", "A part other than the last is smaller than 5 MiB")
    return chosen


def _join(sources: Sequence[Path], target: Path) -> None:
    with target.open("xb", buffering=0) as out:
        for path in sources:
            with path.open("rb", buffering=0) as part:
                shutil.copyfileobj(part, out, _COPY_BYTES)
