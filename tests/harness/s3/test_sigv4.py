"""Signature Version 4 against the worked examples of the Amazon S3 API Reference."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from harness.s3._errors import S3Refusal
from harness.s3._http import RequestHead
from harness.s3._sigv4 import Credentials, Verifier

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
EMPTY = hashlib.sha256(b"").hexdigest()
SCOPE = f"{ACCESS_KEY}/20130524/us-east-1/s3/aws4_request"
STREAM_SIGNATURE = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"


def verifier(secret: str = SECRET_KEY, now: float = NOW) -> Verifier:
    return Verifier(Credentials(ACCESS_KEY, secret), lambda: now)


def signed(method: str, target: str, headers: dict[str, str], signature: str) -> RequestHead:
    headers = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z", **headers}
    names = ";".join(sorted(name.lower() for name in headers))
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={names},Signature={signature}"
    )
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return RequestHead.parse("\r\n".join(lines).encode())


GET = signed(
    "GET",
    "/test.txt",
    {"Range": "bytes=0-9", "x-amz-content-sha256": EMPTY},
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
)
PUT = signed(
    "PUT",
    "/test$file.text",
    {
        "Date": "Fri, 24 May 2013 00:00:00 GMT",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": hashlib.sha256(b"Welcome to Amazon S3.").hexdigest(),
    },
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
)
LIFECYCLE = signed(
    "GET",
    "/?lifecycle",
    {"x-amz-content-sha256": EMPTY},
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
)
LIST = signed(
    "GET",
    "/?max-keys=2&prefix=J",
    {"x-amz-content-sha256": EMPTY},
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
)
STREAM = signed(
    "PUT",
    "/examplebucket/chunkObject.txt",
    {
        "host": "s3.amazonaws.com",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "Content-Length": "66824",
    },
    STREAM_SIGNATURE,
)
PRESIGNED = RequestHead.parse(
    b"GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1"
    b"%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
    b"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1\r\n"
    b"Host: examplebucket.s3.amazonaws.com"
)


def verify(head: RequestHead, by: Verifier):
    return by.verify(head.method, head.raw_path, head.query, head.headers)


@pytest.mark.parametrize(
    "head", [GET, PUT, LIFECYCLE, LIST, PRESIGNED], ids=["get", "put", "subresource", "list", "url"]
)
def test_the_published_examples_are_accepted(head):
    assert verify(head, verifier()) is None


@pytest.mark.parametrize("head", [GET, PUT, LIFECYCLE, LIST, STREAM, PRESIGNED])
def test_another_secret_is_refused(head):
    with pytest.raises(S3Refusal) as error:
        verify(head, verifier(secret="another"))
    assert error.value.code == "SignatureDoesNotMatch"


def test_a_changed_header_is_refused():
    with pytest.raises(S3Refusal) as error:
        verifier().verify(GET.method, GET.raw_path, GET.query, {**GET.headers, "range": "bytes=0-10"})
    assert error.value.code == "SignatureDoesNotMatch"


def test_the_chunks_of_the_published_stream_are_signed_in_a_chain():
    signer = verify(STREAM, verifier())
    digests = [hashlib.sha256(body).hexdigest() for body in (b"a" * 65536, b"a" * 1024, b"")]
    assert [signer.next(digest) for digest in digests] == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]


@pytest.mark.parametrize(
    ("head", "now", "code"),
    [
        (GET, NOW + 16 * 60, "RequestTimeTooSkewed"),
        (GET, NOW - 16 * 60, "RequestTimeTooSkewed"),
        (PRESIGNED, NOW + 86401, "AccessDenied"),
    ],
)
def test_old_signatures_are_refused(head, now, code):
    with pytest.raises(S3Refusal) as error:
        verify(head, verifier(now=now))
    assert error.value.code == code


def test_a_presigned_url_lives_as_long_as_it_says():
    assert verify(PRESIGNED, verifier(now=NOW + 86399)) is None


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "AccessDenied"),
        ({"authorization": "AWS abc:def"}, "AccessDenied"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=x"}, "AccessDenied"),
        ({**GET.headers, "x-amz-date": "yesterday"}, "AccessDenied"),
        (
            {**GET.headers, "authorization": GET.headers["authorization"].replace("/s3/", "/ec2/")},
            "AuthorizationHeaderMalformed",
        ),
        (
            {**GET.headers, "authorization": GET.headers["authorization"].replace(ACCESS_KEY, "AKIANOBODY")},
            "InvalidAccessKeyId",
        ),
    ],
)
def test_what_is_no_signature_is_refused(headers, code):
    with pytest.raises(S3Refusal) as error:
        verifier().verify("GET", "/test.txt", [], headers)
    assert error.value.code == code
