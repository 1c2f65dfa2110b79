"""What any S3 server the harness uses must do, asked through boto3 and obstore."""

from __future__ import annotations

import hashlib
import http.client
import random
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import obstore
import pytest
from botocore.exceptions import ClientError
from obstore.exceptions import AlreadyExistsError

pytestmark = pytest.mark.s3

MIB = 1024 * 1024
BODY = random.Random(1).randbytes(200_000)
ODD_NAMES = [
    "a b",
    "a+b",
    "a%20b",
    "ü/é",
    "q?x=1&y",
    "less<more>&",
    "quote'\"",
    "tilde~(1)!*",
    "dot.",
    "日本",
]


def status_of(error: pytest.ExceptionInfo[ClientError]) -> int:
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def put(client, server, key, body=BODY, **more):
    return client.put_object(Bucket=server.bucket, Key=key, Body=body, **more)


def read(client, server, key, **more):
    with client.get_object(Bucket=server.bucket, Key=key, **more)["Body"] as body:
        return body.read()


def request(url: str, method: str, body: bytes | None = None, headers: dict[str, str] | None = None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request(
            method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers or {}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_an_object_comes_back_as_it_was_put(client, server, prefix):
    answer = put(client, server, prefix + "x", ContentType="image/jpeg", Metadata={"colour": "blue"})
    got = client.get_object(Bucket=server.bucket, Key=prefix + "x")
    with got["Body"] as body:
        assert body.read() == BODY
    assert answer["ETag"] == got["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert (got["ContentType"], got["Metadata"], got["ContentLength"]) == (
        "image/jpeg",
        {"colour": "blue"},
        len(BODY),
    )
    assert abs(got["LastModified"] - datetime.now(UTC)) < timedelta(minutes=5)


def test_head_says_what_get_would(client, server, prefix):
    put(client, server, prefix + "x", Metadata={"a": "1"})
    head = client.head_object(Bucket=server.bucket, Key=prefix + "x")
    assert head["ContentLength"] == len(BODY)
    assert head["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert head["Metadata"] == {"a": "1"}


def test_an_empty_object_is_an_object(client, server, prefix):
    put(client, server, prefix + "empty", b"")
    assert read(client, server, prefix + "empty") == b""
    assert client.head_object(Bucket=server.bucket, Key=prefix + "empty")["ContentLength"] == 0


def test_a_write_replaces_the_object(client, server, prefix):
    put(client, server, prefix + "x", b"old")
    put(client, server, prefix + "x", b"newer")
    assert read(client, server, prefix + "x") == b"newer"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", BODY[:10]),
        ("bytes=100-199999", BODY[100:]),
        ("bytes=199990-999999999", BODY[199990:]),
        ("bytes=150000-", BODY[150000:]),
        ("bytes=-7", BODY[-7:]),
        ("bytes=-999999999", BODY),
    ],
)
def test_ranges(client, server, prefix, asked, expected):
    put(client, server, prefix + "x")
    got = client.get_object(Bucket=server.bucket, Key=prefix + "x", Range=asked)
    with got["Body"] as body:
        assert body.read() == expected
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"].startswith("bytes ")
    assert got["ContentRange"].endswith(f"/{len(BODY)}")


def test_a_range_behind_the_end_is_416(client, server, prefix):
    put(client, server, prefix + "x")
    with pytest.raises(ClientError) as error:
        read(client, server, prefix + "x", Range="bytes=200000-")
    assert (status_of(error), code_of(error)) == (416, "InvalidRange")


def test_conditional_reads(client, server, prefix):
    etag = put(client, server, prefix + "x")["ETag"]
    assert read(client, server, prefix + "x", IfMatch=etag) == BODY
    with pytest.raises(ClientError) as error:
        read(client, server, prefix + "x", IfMatch='"0123"')
    assert status_of(error) == 412
    with pytest.raises(ClientError) as error:
        read(client, server, prefix + "x", IfNoneMatch=etag)
    assert status_of(error) == 304
    assert read(client, server, prefix + "x", IfNoneMatch='"0123"') == BODY
    now = datetime.now(UTC)
    with pytest.raises(ClientError) as error:
        read(client, server, prefix + "x", IfModifiedSince=now + timedelta(seconds=2))
    assert status_of(error) == 304
    assert read(client, server, prefix + "x", IfModifiedSince=now - timedelta(days=1)) == BODY


def test_what_is_not_there(client, server, prefix):
    with pytest.raises(ClientError) as error:
        read(client, server, prefix + "none")
    assert (status_of(error), code_of(error)) == (404, "NoSuchKey")
    with pytest.raises(ClientError) as error:
        client.head_object(Bucket=server.bucket, Key=prefix + "none")
    assert status_of(error) == 404
    with pytest.raises(ClientError) as error:
        client.list_objects_v2(Bucket="no-such-bucket")
    assert (status_of(error), code_of(error)) == (404, "NoSuchBucket")
    with pytest.raises(ClientError) as error:
        client.head_bucket(Bucket="no-such-bucket")
    assert status_of(error) == 404


def test_a_write_if_absent_succeeds_once(client, server, prefix):
    put(client, server, prefix + "x", b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        put(client, server, prefix + "x", b"second", IfNoneMatch="*")
    assert (status_of(error), code_of(error)) == (412, "PreconditionFailed")
    assert read(client, server, prefix + "x") == b"first"


def test_a_write_if_unchanged(client, server, prefix):
    etag = put(client, server, prefix + "x", b"first")["ETag"]
    newer = put(client, server, prefix + "x", b"second", IfMatch=etag)["ETag"]
    with pytest.raises(ClientError) as error:
        put(client, server, prefix + "x", b"third", IfMatch=etag)
    assert (status_of(error), code_of(error)) == (412, "PreconditionFailed")
    assert read(client, server, prefix + "x", IfMatch=newer) == b"second"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_kept(client, server, prefix, name):
    put(client, server, prefix + name, b"1")
    assert read(client, server, prefix + name) == b"1"
    listed = client.list_objects_v2(Bucket=server.bucket, Prefix=prefix)["Contents"]
    assert [entry["Key"] for entry in listed] == [prefix + name]


def test_listing_by_prefix_delimiter_and_page(client, server, prefix):
    names = ["a", "d/1", "d/2", "d/e/3", "m", "z/1"]
    for name in names:
        put(client, server, prefix + name, b"1")
    whole = client.list_objects_v2(Bucket=server.bucket, Prefix=prefix)
    assert [entry["Key"] for entry in whole["Contents"]] == [prefix + name for name in names]
    assert (whole["KeyCount"], whole["IsTruncated"]) == (6, False)
    folded = client.list_objects_v2(Bucket=server.bucket, Prefix=prefix, Delimiter="/")
    assert [entry["Key"] for entry in folded["Contents"]] == [prefix + "a", prefix + "m"]
    assert [entry["Prefix"] for entry in folded["CommonPrefixes"]] == [prefix + "d/", prefix + "z/"]
    for version, size in (("list_objects_v2", 2), ("list_objects", 2), ("list_objects_v2", 1)):
        pages = client.get_paginator(version).paginate(
            Bucket=server.bucket, Prefix=prefix, Delimiter="/", PaginationConfig={"PageSize": size}
        )
        keys, groups = [], []
        for page in pages:
            assert len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])) <= size
            keys += [entry["Key"] for entry in page.get("Contents", [])]
            groups += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        assert keys == [prefix + "a", prefix + "m"]
        assert groups == [prefix + "d/", prefix + "z/"]
    after = client.list_objects_v2(Bucket=server.bucket, Prefix=prefix, StartAfter=prefix + "d/2")
    assert [entry["Key"] for entry in after["Contents"]] == [prefix + name for name in ("d/e/3", "m", "z/1")]


def test_a_listing_of_no_keys_is_not_truncated(client, server, prefix):
    put(client, server, prefix + "x", b"1")
    page = client.list_objects_v2(Bucket=server.bucket, Prefix=prefix, MaxKeys=0)
    assert (page["IsTruncated"], page["KeyCount"], page.get("Contents", [])) == (False, 0, [])


def test_delete_is_idempotent(client, server, prefix):
    put(client, server, prefix + "x")
    for _ in range(2):
        answer = client.delete_object(Bucket=server.bucket, Key=prefix + "x")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as error:
        read(client, server, prefix + "x")
    assert status_of(error) == 404


def test_batch_delete(client, server, prefix):
    for name in ("a", "b", "c"):
        put(client, server, prefix + name, b"1")
    named = [{"Key": prefix + name} for name in ("a", "c", "never")]
    answer = client.delete_objects(Bucket=server.bucket, Delete={"Objects": named})
    assert {entry["Key"] for entry in answer["Deleted"]} == {entry["Key"] for entry in named}
    left = client.list_objects_v2(Bucket=server.bucket, Prefix=prefix)["Contents"]
    assert [entry["Key"] for entry in left] == [prefix + "b"]


def test_multipart(client, server, prefix):
    data = random.Random(2).randbytes(5 * MIB + 1000)
    where = {"Bucket": server.bucket, "Key": prefix + "big"}
    upload = client.create_multipart_upload(**where, Metadata={"k": "v"})["UploadId"]
    parts = []
    for number, piece in ((1, data[: 5 * MIB]), (2, data[5 * MIB :])):
        etag = client.upload_part(**where, UploadId=upload, PartNumber=number, Body=piece)["ETag"]
        assert etag == f'"{hashlib.md5(piece).hexdigest()}"'
        parts.append({"PartNumber": number, "ETag": etag})
    listed = client.list_parts(**where, UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, 5 * MIB), (2, 1000)]
    with pytest.raises(ClientError) as error:
        client.head_object(**where)
    assert status_of(error) == 404
    done = client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    digests = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in parts)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'
    head = client.head_object(**where)
    assert (head["ETag"], head["ContentLength"], head["Metadata"]) == (done["ETag"], len(data), {"k": "v"})
    assert read(client, server, prefix + "big") == data
    assert (
        read(client, server, prefix + "big", Range=f"bytes={5 * MIB - 5}-{5 * MIB + 4}")
        == (data[5 * MIB - 5 : 5 * MIB + 5])
    )


def test_an_aborted_upload_leaves_nothing(client, server, prefix):
    where = {"Bucket": server.bucket, "Key": prefix + "big"}
    upload = client.create_multipart_upload(**where)["UploadId"]
    client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"1")
    client.abort_multipart_upload(**where, UploadId=upload)
    with pytest.raises(ClientError) as error:
        client.list_parts(**where, UploadId=upload)
    assert (status_of(error), code_of(error)) == (404, "NoSuchUpload")
    assert "Contents" not in client.list_objects_v2(Bucket=server.bucket, Prefix=prefix)


def test_copy(client, server, prefix):
    put(client, server, prefix + "from", Metadata={"k": "v"})
    source = {"Bucket": server.bucket, "Key": prefix + "from"}
    client.copy_object(Bucket=server.bucket, Key=prefix + "to", CopySource=source)
    client.delete_object(**source)
    assert read(client, server, prefix + "to") == BODY
    assert client.head_object(Bucket=server.bucket, Key=prefix + "to")["Metadata"] == {"k": "v"}


def test_buckets(client, server):
    client.create_bucket(Bucket="another-bucket")
    assert client.head_bucket(Bucket="another-bucket")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert {"another-bucket", server.bucket} <= {
        bucket["Name"] for bucket in client.list_buckets()["Buckets"]
    }
    assert client.get_bucket_location(Bucket="another-bucket")["ResponseMetadata"]["HTTPStatusCode"] == 200
    client.delete_bucket(Bucket="another-bucket")
    with pytest.raises(ClientError) as error:
        client.head_bucket(Bucket="another-bucket")
    assert status_of(error) == 404


def test_a_wrong_secret_is_refused(server, make_client):
    client = make_client(server, secret="guessed")
    with pytest.raises(ClientError) as error:
        client.list_objects_v2(Bucket=server.bucket)
    assert (status_of(error), code_of(error)) == (403, "SignatureDoesNotMatch")


def test_an_unknown_access_key_is_refused(server, make_client):
    client = make_client(server, access_key="nobody")
    with pytest.raises(ClientError) as error:
        client.list_objects_v2(Bucket=server.bucket)
    assert (status_of(error), code_of(error)) == (403, "InvalidAccessKeyId")


def test_an_unsigned_request_is_refused(server):
    status, body = request(f"{server.endpoint}/{server.bucket}/x", "GET")
    assert status == 403
    assert b"<Code>AccessDenied</Code>" in body


def test_presigned_urls(client, server, prefix):
    where = {"Bucket": server.bucket, "Key": prefix + "by url"}
    assert request(client.generate_presigned_url("put_object", where, 60), "PUT", b"by url")[0] == 200
    url = client.generate_presigned_url("get_object", where, 60)
    assert request(url, "GET") == (200, b"by url")
    status, body = request(url.replace("by%20url", "by%20other"), "GET")
    assert status == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in body


def test_obstore_reads_what_it_writes(store):
    obstore.put(store, "d/x", BODY)
    assert bytes(obstore.get(store, "d/x").bytes()) == BODY
    assert bytes(obstore.get_range(store, "d/x", start=10, length=100)) == BODY[10:110]
    ranges = obstore.get_ranges(store, "d/x", starts=[0, 150_000], lengths=[5, 5])
    assert [bytes(piece) for piece in ranges] == [BODY[:5], BODY[150_000:150_005]]
    head = obstore.head(store, "d/x")
    assert (head["size"], head["e_tag"]) == (len(BODY), f'"{hashlib.md5(BODY).hexdigest()}"')


def test_obstore_pins_the_etag(store):
    obstore.put(store, "x", b"old")
    etag = obstore.head(store, "x")["e_tag"]
    obstore.put(store, "x", b"new")
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.get(store, "x", options={"if_match": etag})


def test_obstore_creates_once(store):
    obstore.put(store, "x", b"1", mode="create", use_multipart=False)
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "x", b"2", mode="create", use_multipart=False)
    assert bytes(obstore.get(store, "x").bytes()) == b"1"


def test_obstore_uploads_in_parts(store):
    data = random.Random(3).randbytes(11 * MIB)
    obstore.put(store, "big", data, use_multipart=True, chunk_size=5 * MIB)
    assert bytes(obstore.get(store, "big").bytes()) == data
    assert obstore.head(store, "big")["e_tag"].endswith('-3"')


def test_obstore_lists_copies_and_deletes(store):
    for name in ("a", "d/1", "d/2"):
        obstore.put(store, name, b"1")
    obstore.copy(store, "a", "b")
    assert sorted(meta["path"] for meta in obstore.list(store).collect()) == ["a", "b", "d/1", "d/2"]
    folded = obstore.list_with_delimiter(store)
    assert sorted(meta["path"] for meta in folded["objects"]) == ["a", "b"]
    assert folded["common_prefixes"] == ["d"]
    obstore.delete(store, ["a", "b", "d/1", "d/2"])
    assert obstore.list(store).collect() == []


def test_requests_are_counted(server, client, prefix):
    before = server.counters()
    put(client, server, prefix + "x")
    read(client, server, prefix + "x")
    client.list_objects_v2(Bucket=server.bucket, Prefix=prefix)
    client.delete_object(Bucket=server.bucket, Key=prefix + "x")
    spent = server.counters() - before
    assert (spent.get, spent.put, spent.list, spent.delete) == (1, 1, 1, 1)
    assert spent.bytes_out >= len(BODY)
    assert spent.bytes_in >= len(BODY)
    assert spent.errors == 0
