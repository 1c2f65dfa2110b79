"""The errors of the S3 servers.

::

    HarnessError
    └── S3ServerError          a server cannot be started, reached or driven; one line for the user
    Exception
    └── S3Refusal              inside sim: a request is refused with an S3 error code (never leaves the server)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.errors import HarnessError

__all__ = ["S3Refusal", "S3ServerError"]


class S3ServerError(HarnessError):
    """A server cannot be started, reached or driven. ``str(error)`` is one line that says what to do."""

    code = "s3-server"


class S3Refusal(Exception):
    """A request answered with an S3 error code.

    Parameters
    ----------
    code
        The S3 error code (``NoSuchKey``); the status follows from it.
    message
        What the XML body says.
    headers
        Further headers of the answer.
    """

    def __init__(self, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message or code
        self.headers: Mapping[str, str] = headers or {}

    @property
    def status(self) -> int:
        return _STATUS[self.code]


_STATUS: Mapping[str, int] = MappingProxyType(
    {
        "AccessDenied": 403,
        "AuthorizationHeaderMalformed": 400,
        "BadDigest": 400,
        "BucketAlreadyOwnedByYou": 409,
        "BucketNotEmpty": 409,
        "EntityTooSmall": 400,
        "IncompleteBody": 400,
        "InternalError": 500,
        "InvalidAccessKeyId": 403,
        "InvalidArgument": 400,
        "InvalidBucketName": 400,
        "InvalidPart": 400,
        "InvalidPartOrder": 400,
        "InvalidRange": 416,
        "InvalidRequest": 400,
        "KeyTooLongError": 400,
        "MalformedXML": 400,
        "MethodNotAllowed": 405,
        "MissingContentLength": 411,
        "NoSuchBucket": 404,
        "NoSuchKey": 404,
        "NoSuchUpload": 404,
        "NotImplemented": 501,
        "PreconditionFailed": 412,
        "RequestTimeTooSkewed": 403,
        "SignatureDoesNotMatch": 403,
        "SlowDown": 503,
        "XAmzContentSHA256Mismatch": 400,
    }
)
