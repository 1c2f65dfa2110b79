"""Heads, ranges and conditions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.s3._errors import S3Refusal
from harness.s3._http import (
    BadRequestHead,
    RequestHead,
    Response,
    etag_matches,
    http_date,
    parse_range,
    unchanged,
)
from harness.s3._route import route
from harness.s3._xml import document, parse_complete, parse_delete


def head_of(text: str) -> RequestHead:
    return RequestHead.parse(text.replace("\n", "\r\n").encode("latin-1"))


def test_a_head_is_read():
    head = head_of(
        "GET /b/k%20x?prefix=a%2Fb&list-type=2&acl HTTP/1.1\nHost: h:1\nX-Amz-Meta-A:  v w \nx-amz-meta-a: 2"
    )
    assert (head.method, head.raw_path) == ("GET", "/b/k%20x")
    assert head.query == [("prefix", "a/b"), ("list-type", "2"), ("acl", "")]
    assert head.headers == {"host": "h:1", "x-amz-meta-a": "v w,2"}
    assert head.keep_alive


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("GET / HTTP/1.1\nConnection: close", False),
        ("GET / HTTP/1.0", False),
        ("GET / HTTP/1.0\nConnection: keep-alive", True),
    ],
)
def test_who_keeps_the_connection(text, keep):
    assert head_of(text).keep_alive is keep


@pytest.mark.parametrize(
    "text", ["", "GET /", "GET / HTTP/2", "GET / HTTP/1.1\nno colon", "GET / HTTP/1.1\nname : v"]
)
def test_what_is_no_head(text):
    with pytest.raises(BadRequestHead):
        head_of(text)


@pytest.mark.parametrize("text", ["-1", "1e3", "", "0x10"])
def test_what_is_no_length(text):
    with pytest.raises(BadRequestHead):
        head_of(f"PUT /b/k HTTP/1.1\nContent-Length: {text}").content_length()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 5)),
        ("bytes=-3", (7, 3)),
        ("bytes=-30", (0, 10)),
        ("bytes=2-99", (2, 8)),
        ("bytes=5-2", None),
        ("bytes=0-1,4-5", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("lines=0-1", None),
    ],
)
def test_ranges_of_ten_bytes(text, expected):
    assert parse_range(text, 10) == expected


@pytest.mark.parametrize(
    ("text", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_ranges_without_a_byte(text, size):
    with pytest.raises(S3Refusal) as error:
        parse_range(text, size)
    assert (error.value.status, error.value.headers) == (416, {"Content-Range": f"bytes */{size}"})


@given(st.integers(0, 99), st.integers(0, 200), st.integers(1, 100))
def test_a_range_is_a_slice(first, last, size):
    data = bytes(range(size))
    if first >= size or last < first:
        return
    offset, count = parse_range(f"bytes={first}-{last}", size)
    assert data[offset : offset + count] == data[first : last + 1]


@pytest.mark.parametrize(
    ("header", "matches"),
    [('"a"', True), ("a", True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False)],
)
def test_etags(header, matches):
    assert etag_matches(header, "a") is matches


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"if-none-match": '"e"'}, True),
        ({"if-none-match": '"x"'}, False),
        ({"if-none-match": '"x"', "if-modified-since": http_date(2000)}, False),
        ({"if-modified-since": http_date(1000)}, True),
        ({"if-modified-since": http_date(999)}, False),
        ({"if-modified-since": "some day"}, False),
        ({"if-match": '"e"', "if-unmodified-since": http_date(1)}, False),
    ],
)
def test_conditions_that_hold(headers, expected):
    assert unchanged(headers, "e", 1000.5) is expected


@pytest.mark.parametrize("headers", [{"if-match": '"x"'}, {"if-unmodified-since": http_date(999)}])
def test_conditions_that_fail(headers):
    with pytest.raises(S3Refusal) as error:
        unchanged(headers, "e", 1000.5)
    assert error.value.code == "PreconditionFailed"


def test_an_answer_without_content_says_no_length():
    assert b"Content-Length" not in Response(304).head("1", keep_alive=True)
    assert b"Content-Length: 7" in Response(length=7).head("1", keep_alive=True)
    assert b"Connection: close" in Response().head("1", keep_alive=False)


@pytest.mark.parametrize("value", [b"1\nX-Evil: 1", b"1\rX", b"1\0"])
def test_a_header_cannot_smuggle_another(value):
    with pytest.raises(BadRequestHead):
        RequestHead.parse(b"PUT /b/k HTTP/1.1\r\nx-amz-meta-a: " + value)


@pytest.mark.parametrize(
    ("line", "name", "operation"),
    [
        ("GET /", "ListBuckets", "list"),
        ("GET /bkt", "ListObjects", "list"),
        ("GET /bkt/?list-type=2", "ListObjectsV2", "list"),
        ("GET /bkt?location", "GetBucketLocation", "other"),
        ("HEAD /bkt", "HeadBucket", "head"),
        ("PUT /bkt", "CreateBucket", "other"),
        ("DELETE /bkt", "DeleteBucket", "other"),
        ("POST /bkt?delete", "DeleteObjects", "delete"),
        ("GET /bkt/k", "GetObject", "get"),
        ("HEAD /bkt/k", "HeadObject", "head"),
        ("PUT /bkt/k", "PutObject", "put"),
        ("DELETE /bkt/k", "DeleteObject", "delete"),
        ("POST /bkt/k?uploads", "CreateMultipartUpload", "put"),
        ("PUT /bkt/k?partNumber=1&uploadId=u", "UploadPart", "put"),
        ("POST /bkt/k?uploadId=u", "CompleteMultipartUpload", "put"),
        ("DELETE /bkt/k?uploadId=u", "AbortMultipartUpload", "delete"),
        ("GET /bkt/k?uploadId=u", "ListParts", "list"),
    ],
)
def test_routes(line, name, operation):
    found = route(head_of(f"{line} HTTP/1.1"))
    assert (found.name, found.operation) == (name, operation)


def test_a_virtual_host_names_the_bucket():
    found = route(head_of("GET /d/k%2Bx HTTP/1.1\nHost: bkt.localhost:9000"))
    assert (found.bucket, found.key) == ("bkt", "d/k+x")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("GET /bkt/k?acl", "NotImplemented"),
        ("GET /BAD_BUCKET/k", "InvalidBucketName"),
        ("GET /bkt/" + "k" * 1025, "KeyTooLongError"),
        ("GET /bkt/%ff", "InvalidArgument"),
        ("PATCH /bkt/k", "MethodNotAllowed"),
        ("PUT /", "MethodNotAllowed"),
        ("POST /bkt", "MethodNotAllowed"),
    ],
)
def test_what_is_not_served(line, code):
    with pytest.raises(S3Refusal) as error:
        route(head_of(f"{line} HTTP/1.1"))
    assert error.value.code == code


def test_xml_is_escaped():
    assert b"<Key>a&lt;b&gt;&amp;&#x1;</Key>" in document("Root", [("Key", "a<b>&\x01")])


@pytest.mark.parametrize(
    "body",
    [b"", b"<Delete>", b"<Other/>", b"<Delete/>", b"<Delete><Object/></Delete>", b"<!DOCTYPE x><Delete/>"],
)
def test_a_batch_that_cannot_be_read(body):
    with pytest.raises(S3Refusal) as error:
        parse_delete(body)
    assert error.value.code == "MalformedXML"


def test_parts_come_in_order():
    part = "<Part><PartNumber>{}</PartNumber><ETag>&quot;e{}&quot;</ETag></Part>"
    body = "<CompleteMultipartUpload>{}</CompleteMultipartUpload>"
    good = body.format(part.format(1, 1) + part.format(3, 3)).encode()
    assert parse_complete(good) == [(1, "e1"), (3, "e3")]
    with pytest.raises(S3Refusal) as error:
        parse_complete(body.format(part.format(3, 3) + part.format(1, 1)).encode())
    assert error.value.code == "InvalidPartOrder"
