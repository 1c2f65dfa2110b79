"""Operations on single objects, and the batch delete."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import unquote

from harness.s3._errors import S3Refusal
from harness.s3._http import FileBody, Response, http_date, iso_date, parse_range, unchanged
from harness.s3._receive import receive_file
from harness.s3._request import XML_HEADERS, Handler, Request, kept_headers, write_condition
from harness.s3._store import ObjectStore
from harness.s3._xml import Element, document, parse_delete

__all__ = ["Objects"]


class Objects:
    """GET, HEAD, PUT, copy and delete."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "GetObject": self._get,
            "HeadObject": self._get,
            "PutObject": self._put,
            "CopyObject": self._copy,
            "DeleteObject": self._delete,
            "DeleteObjects": self._delete_many,
        }

    async def _get(self, request: Request) -> Response:
        asked = request.head.headers
        stored = self._store.get(request.route.bucket, request.route.key)
        headers = {
            "ETag": f'"{stored.etag}"',
            "Last-Modified": http_date(stored.modified),
            "Accept-Ranges": "bytes",
            **stored.headers,
        }
        if unchanged(asked, stored.etag, stored.modified):
            return Response(304, headers)
        status, offset, count = 200, 0, stored.size
        if "range" in asked:
            part = parse_range(asked["range"], stored.size)
            if part is not None:
                status = 206
                offset, count = part
                headers["Content-Range"] = f"bytes {offset}-{offset + count - 1}/{stored.size}"
        if request.head.method == "HEAD" or count == 0:
            return Response(status, headers, length=count)
        fd = os.open(self._store.blob_path(stored.blob), os.O_RDONLY | os.O_CLOEXEC)
        return Response(status, headers, FileBody(fd, offset, count))

    async def _put(self, request: Request) -> Response:
        route, headers = request.route, request.head.headers
        self._store.need_bucket(route.bucket)
        condition = write_condition(headers)
        if "content-length" not in headers and "transfer-encoding" not in headers:
            raise S3Refusal("MissingContentLength", "You must provide the Content-Length HTTP header")
        blob, path = self._store.new_blob()
        received = await receive_file(request.body, headers, request.decoder, path)
        try:
            stored = self._store.commit(
                route.bucket,
                route.key,
                blob=blob,
                size=received.size,
                etag=received.md5.hex(),
                headers=kept_headers(headers),
                condition=condition,
            )
        except S3Refusal:
            self._store.drop_blob(blob)
            raise
        return Response(200, {"ETag": f'"{stored.etag}"'})

    async def _copy(self, request: Request) -> Response:
        route, headers = request.route, request.head.headers
        source_path = unquote(headers["x-amz-copy-source"]).removeprefix("/").partition("?versionId=")[0]
        source_bucket, _, source_key = source_path.partition("/")
        source = self._store.get(source_bucket, source_key)
        wanted = headers.get("x-amz-copy-source-if-match")
        if wanted is not None and wanted.strip('"') != source.etag:
            raise S3Refusal(
                "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
            )
        replace = headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
        blob, path = self._store.new_blob()
        os.link(self._store.blob_path(source.blob), path)
        try:
            stored = self._store.commit(
                route.bucket,
                route.key,
                blob=blob,
                size=source.size,
                etag=source.etag,
                headers=kept_headers(headers) if replace else source.headers,
                condition=write_condition(headers),
            )
        except S3Refusal:
            self._store.drop_blob(blob)
            raise
        body = document(
            "CopyObjectResult", [("LastModified", iso_date(stored.modified)), ("ETag", f'"{stored.etag}"')]
        )
        return Response(200, XML_HEADERS, body)

    async def _delete(self, request: Request) -> Response:
        self._store.delete(request.route.bucket, request.route.key)
        return Response(204)

    async def _delete_many(self, request: Request) -> Response:
        self._store.need_bucket(request.route.bucket)
        keys, quiet = parse_delete(await request.document())
        for key in keys:
            self._store.delete(request.route.bucket, key)
        deleted: list[Element] = [] if quiet else [("Deleted", [("Key", key)]) for key in keys]
        return Response(200, XML_HEADERS, document("DeleteResult", deleted))
