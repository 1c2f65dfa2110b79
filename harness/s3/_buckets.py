"""Operations on buckets, and their listings."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping

from harness.s3._errors import S3Refusal
from harness.s3._http import Response, iso_date
from harness.s3._listing import Page
from harness.s3._request import XML_HEADERS, Handler, Request
from harness.s3._store import ObjectStore, StoredObject
from harness.s3._xml import Element, document, url_encode

__all__ = ["Buckets"]

_OWNER: Element = ("Owner", [("ID", "harness"), ("DisplayName", "harness")])
_MAX_KEYS = 1000


class Buckets:
    """Create, head, list, delete; ListObjects in both versions."""

    def __init__(self, store: ObjectStore, region: str) -> None:
        self._store = store
        self._region = region

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "ListBuckets": self._list_buckets,
            "HeadBucket": self._head,
            "CreateBucket": self._create,
            "DeleteBucket": self._delete,
            "GetBucketLocation": self._location,
            "GetBucketVersioning": self._versioning,
            "ListObjects": self._list_v1,
            "ListObjectsV2": self._list_v2,
        }

    async def _list_buckets(self, request: Request) -> Response:
        buckets: list[Element] = [
            ("Bucket", [("Name", name), ("CreationDate", iso_date(created))])
            for name, created in self._store.buckets()
        ]
        return Response(200, XML_HEADERS, document("ListAllMyBucketsResult", [_OWNER, ("Buckets", buckets)]))

    async def _head(self, request: Request) -> Response:
        self._store.need_bucket(request.route.bucket)
        return Response(200, {"x-amz-bucket-region": self._region})

    async def _create(self, request: Request) -> Response:
        await request.document()
        self._store.create_bucket(request.route.bucket)
        return Response(200, {"Location": f"/{request.route.bucket}"})

    async def _delete(self, request: Request) -> Response:
        self._store.delete_bucket(request.route.bucket)
        return Response(204)

    async def _location(self, request: Request) -> Response:
        self._store.need_bucket(request.route.bucket)
        region = "" if self._region == "us-east-1" else self._region
        return Response(200, XML_HEADERS, document_text("LocationConstraint", region))

    async def _versioning(self, request: Request) -> Response:
        self._store.need_bucket(request.route.bucket)
        return Response(200, XML_HEADERS, document("VersioningConfiguration", []))

    async def _list_v1(self, request: Request) -> Response:
        params = request.route.params
        marker = params.get("marker", "")
        page, encode, fields = self._page(request, marker)
        fields.insert(2, ("Marker", encode(marker)))
        if page.truncated and params.get("delimiter"):
            fields.append(("NextMarker", encode(page.last)))
        fields += _entries(page, encode, with_owner=True)
        return Response(200, XML_HEADERS, document("ListBucketResult", fields))

    async def _list_v2(self, request: Request) -> Response:
        params = request.route.params
        token = params.get("continuation-token")
        start_after = params.get("start-after", "")
        after = start_after if token is None else _from_token(token)
        page, encode, fields = self._page(request, after)
        fields.append(("KeyCount", len(page.contents) + len(page.common_prefixes)))
        if token is not None:
            fields.append(("ContinuationToken", token))
        if start_after:
            fields.append(("StartAfter", encode(start_after)))
        if page.truncated:
            fields.append(("NextContinuationToken", _to_token(page.last)))
        fields += _entries(page, encode, with_owner=params.get("fetch-owner") == "true")
        return Response(200, XML_HEADERS, document("ListBucketResult", fields))

    def _page(
        self, request: Request, after: str
    ) -> tuple[Page[StoredObject], Callable[[str], str], list[Element]]:
        route = request.route
        prefix, delimiter = route.params.get("prefix", ""), route.params.get("delimiter", "")
        encoding = route.params.get("encoding-type", "")
        if encoding not in ("", "url"):
            raise S3Refusal("InvalidArgument", f"Invalid encoding method: {encoding}")
        encode = url_encode if encoding else str
        text = route.params.get("max-keys", str(_MAX_KEYS))
        if not (text.isascii() and text.isdigit()):
            raise S3Refusal("InvalidArgument", f"max-keys must be a number, not {text}")
        max_keys = int(text)
        page = self._store.list_objects(
            route.bucket, prefix=prefix, delimiter=delimiter, after=after, max_keys=min(max_keys, _MAX_KEYS)
        )
        fields: list[Element] = [("Name", route.bucket), ("Prefix", encode(prefix)), ("MaxKeys", max_keys)]
        if delimiter:
            fields.append(("Delimiter", encode(delimiter)))
        if encoding:
            fields.append(("EncodingType", encoding))
        fields.append(("IsTruncated", page.truncated))
        return page, encode, fields


def document_text(root: str, text: str) -> bytes:
    """A document of one text."""
    return document(root, []).replace(b"></", b">" + text.encode() + b"</")


def _entries(page: Page[StoredObject], encode: Callable[[str], str], *, with_owner: bool) -> list[Element]:
    found: list[Element] = []
    for stored in page.contents:
        fields: list[Element] = [
            ("Key", encode(stored.key)),
            ("LastModified", iso_date(stored.modified)),
            ("ETag", f'"{stored.etag}"'),
            ("Size", stored.size),
            ("StorageClass", "STANDARD"),
        ]
        found.append(("Contents", [*fields, _OWNER] if with_owner else fields))
    found += [("CommonPrefixes", [("Prefix", encode(prefix))]) for prefix in page.common_prefixes]
    return found


def _to_token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError) as error:
        raise S3Refusal("InvalidArgument", "The continuation token provided is incorrect") from error
