"""Which S3 operation a request is, and on what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from harness.s3._errors import S3Refusal
from harness.s3._http import RequestHead
from harness.s3._network import Operation

__all__ = ["Route", "route"]

_UNSUPPORTED = frozenset(
    (
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "cors",
        "encryption",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "tagging",
        "torrent",
        "versions",
        "website",
    )
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_VIRTUAL_HOST = ".localhost"
_MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is S3's (GetObject); `operation` is what the network model and the counters know it as."""

    name: str
    operation: Operation
    bucket: str
    key: str
    params: dict[str, str]


def route(head: RequestHead) -> Route:
    """The operation asked for; raises S3Refusal for one that is not served."""
    bucket, key = _address(head)
    params = dict(head.query)
    name, operation = _operation(head, bucket, key, params)
    return Route(name, operation, bucket, key, params)


def _address(head: RequestHead) -> tuple[str, str]:
    path = head.raw_path[1:]
    if "%" in path:
        try:
            path = unquote(path, errors="strict")
        except UnicodeDecodeError as error:
            raise S3Refusal("InvalidArgument", "The key is not UTF-8") from error
    host = head.headers.get("host", "").partition(":")[0]
    if host.endswith(_VIRTUAL_HOST):
        bucket, key = host.removesuffix(_VIRTUAL_HOST), path
    else:
        bucket, _, key = path.partition("/")
    if bucket and not _BUCKET.fullmatch(bucket):
        raise S3Refusal("InvalidBucketName", f"The specified bucket is not valid: {bucket}")
    if len(key.encode()) > _MAX_KEY_BYTES:
        raise S3Refusal("KeyTooLongError", "Your key is too long")
    return bucket, key


def _operation(head: RequestHead, bucket: str, key: str, params: dict[str, str]) -> tuple[str, Operation]:
    method = head.method
    if params and not _UNSUPPORTED.isdisjoint(params):
        asked = ", ".join(sorted(_UNSUPPORTED.intersection(params)))
        raise S3Refusal("NotImplemented", f"This server does not know the subresource {asked}")
    if not bucket:
        if method == "GET":
            return "ListBuckets", "list"
        raise S3Refusal("MethodNotAllowed", f"{method} needs a bucket")
    if key:
        return _object_operation(head, method, params)
    if method == "GET":
        if "location" in params:
            return "GetBucketLocation", "other"
        if "versioning" in params:
            return "GetBucketVersioning", "other"
        if "uploads" in params:
            return "ListMultipartUploads", "list"
        return ("ListObjectsV2" if params.get("list-type") == "2" else "ListObjects"), "list"
    if method == "POST" and "delete" in params:
        return "DeleteObjects", "delete"
    simple = {
        "HEAD": ("HeadBucket", "head"),
        "PUT": ("CreateBucket", "other"),
        "DELETE": ("DeleteBucket", "other"),
    }
    if method in simple and "versioning" not in params:
        return simple[method]
    raise S3Refusal("MethodNotAllowed", f"{method} on a bucket is not served")


def _object_operation(head: RequestHead, method: str, params: dict[str, str]) -> tuple[str, Operation]:
    upload = "uploadId" in params
    if method == "GET":
        return ("ListParts", "list") if upload else ("GetObject", "get")
    if method == "HEAD":
        return "HeadObject", "head"
    if method == "DELETE":
        return ("AbortMultipartUpload", "delete") if upload else ("DeleteObject", "delete")
    if method == "PUT":
        copy = "x-amz-copy-source" in head.headers
        if upload and copy:
            raise S3Refusal("NotImplemented", "UploadPartCopy is not served")
        if upload:
            return "UploadPart", "put"
        return ("CopyObject" if copy else "PutObject"), "put"
    if method == "POST":
        if "uploads" in params:
            return "CreateMultipartUpload", "put"
        if upload:
            return "CompleteMultipartUpload", "put"
    raise S3Refusal("MethodNotAllowed", f"{method} on an object is not served")
