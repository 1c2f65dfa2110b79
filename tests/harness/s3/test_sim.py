"""What only the simulator does: the network model on the wire, faults, control, its request log."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import obstore
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, HTTPClientError, ResponseStreamingError
from obstore.exceptions import BaseError
from urllib3.exceptions import ProtocolError

from harness.s3 import PROFILES, Fault, NetworkModel, S3ServerError, start_s3, start_sim

pytestmark = pytest.mark.s3

BODY = random.Random(4).randbytes(400_000)


@pytest.fixture
def key(sim, sim_client, prefix):
    sim_client.put_object(Bucket="bench", Key=prefix + "x", Body=BODY)
    sim.reset_counters()
    return prefix + "x"


def read(client, key, **more):
    with client.get_object(Bucket="bench", Key=key, **more)["Body"] as body:
        return body.read()


@pytest.mark.parametrize("profile", ["aws", "aws-fast"])
def test_bytes_are_the_same_through_a_slow_network(sim, sim_client, sim_store, key, prefix, profile):
    sim.set_profile(profile)
    assert sim.network() == PROFILES[profile]
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: bytes(obstore.get(sim_store, "x").bytes()), range(16)))
    assert bodies == [BODY] * 16
    sim_client.put_object(Bucket="bench", Key=prefix + "y", Body=BODY)
    sim.set_profile("none")
    assert read(sim_client, prefix + "y") == BODY


def test_no_answer_comes_before_its_time(sim, sim_client, key):
    sim.set_network(NetworkModel(get_s=0.2, connection_bytes_per_s=4e6))
    start = time.monotonic()
    assert read(sim_client, key) == BODY
    assert time.monotonic() - start >= 0.2 + len(BODY) / 4e6 - 0.01


def test_requests_above_the_rate_are_told_to_slow_down(sim, sim_client, key):
    sim.set_network(NetworkModel(requests_per_s=0.001))
    assert read(sim_client, key) == BODY
    with pytest.raises(ClientError) as error:
        read(sim_client, key)
    assert error.value.response["Error"]["Code"] == "SlowDown"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert (sim.counters().get, sim.counters().errors) == (2, 1)


@pytest.mark.parametrize(("kind", "code"), [("500", "InternalError"), ("503", "SlowDown")])
def test_an_error_is_answered_and_nothing_is_done(sim, sim_client, key, kind, code):
    sim.set_faults([Fault(kind, key=key, operation="put", count=1)])
    with pytest.raises(ClientError) as error:
        sim_client.put_object(Bucket="bench", Key=key, Body=b"new")
    assert error.value.response["Error"]["Code"] == code
    assert read(sim_client, key) == BODY
    assert sim.fault_hits() == [1]


def test_a_reset_loses_the_answer_but_not_the_write(sim, sim_client, key):
    sim.set_faults([Fault("reset", key=key, operation="put", count=1)])
    with pytest.raises(HTTPClientError):
        sim_client.put_object(Bucket="bench", Key=key, Body=b"new")
    assert read(sim_client, key) == b"new"
    assert sim.counters().errors == 1


@pytest.mark.parametrize("fault", [Fault("reset", after_bytes=1000), Fault("short")])
def test_a_body_that_ends_early_is_an_error(sim, sim_client, sim_store, key, fault):
    sim.set_faults([replace(fault, key=key, count=2)])
    with pytest.raises((ResponseStreamingError, HTTPClientError, ProtocolError)):
        read(sim_client, key)
    with pytest.raises(BaseError):
        obstore.get(sim_store, "x").bytes()
    assert bytes(obstore.get(sim_store, "x").bytes()) == BODY
    assert (sim.counters().get, sim.counters().errors) == (3, 2)
    assert sim.counters().bytes_out <= 2 * len(BODY)


@pytest.mark.parametrize("after_bytes", [None, 1000])
def test_a_stall_ends_when_the_client_gives_up(sim, key, make_client, after_bytes):
    sim.set_faults([Fault("stall", key=key, count=1, after_bytes=after_bytes)])
    client = make_client(sim)
    with socket.create_connection(("127.0.0.1", sim.port), timeout=30) as raw:
        url = client.generate_presigned_url("get_object", {"Bucket": "bench", "Key": key}, 60)
        raw.sendall(
            f"GET {url.removeprefix(sim.endpoint)} HTTP/1.1\r\nHost: 127.0.0.1:{sim.port}\r\n\r\n".encode()
        )
        if after_bytes is not None:
            assert raw.recv(100).startswith(b"HTTP/1.1 200 OK")
        raw.settimeout(0.2)
        got = None
        with pytest.raises(TimeoutError):
            got = list(iter(lambda: raw.recv(65536), b""))
        assert got is None
    assert read(client, key) == BODY


def test_a_stall_ends_by_itself(sim, sim_client, key):
    sim.set_faults([Fault("stall", key=key, count=1, stall_s=0.05)])
    with pytest.raises(HTTPClientError):
        read(sim_client, key)
    assert read(sim_client, key) == BODY


def test_another_etag(sim, sim_client, key):
    right = sim_client.head_object(Bucket="bench", Key=key)["ETag"]
    sim.set_faults([Fault("wrong-etag", key=key, operation="head", count=1)])
    assert sim_client.head_object(Bucket="bench", Key=key)["ETag"] != right
    assert sim_client.head_object(Bucket="bench", Key=key)["ETag"] == right


def test_a_corrupt_body_differs_in_one_byte(sim, sim_client, key):
    sim.set_faults([Fault("corrupt", key=key, count=1)])
    got = read(sim_client, key)
    assert len(got) == len(BODY)
    assert sum(a != b for a, b in zip(got, BODY, strict=True)) == 1


def test_counters_are_exact(sim, sim_client, prefix):
    sim_client.put_object(Bucket="bench", Key=prefix + "x", Body=BODY)
    read(sim_client, prefix + "x", Range="bytes=0-99")
    sim_client.head_object(Bucket="bench", Key=prefix + "x")
    before = sim.counters()
    assert (before.put, before.get, before.head, before.bytes_in, before.bytes_out) == (
        1,
        1,
        1,
        len(BODY),
        100,
    )
    with pytest.raises(ClientError):
        read(sim_client, prefix + "none")
    spent = sim.counters() - before
    assert (spent.get, spent.put, spent.errors, spent.requests) == (1, 0, 0, 1)
    assert before.usd == pytest.approx((2 * 0.0004 + 0.005) / 1000)
    assert sim.cpu_s() > 0


def control(sim, method: str, path: str, body: str = "") -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "what", "body", "reason"),
    [
        ("GET", "typo", "", "no such control"),
        ("PUT", "profile", '{"name": "mars"}', "mars"),
        ("PUT", "profile", '{"name": "aws", "colour": 1}', "colour"),
        ("PUT", "profile", '{"get_s": -1}', "get_s"),
        ("PUT", "profile", "[]", "profile"),
        ("PUT", "faults", "{}", "list"),
        ("PUT", "faults", '[{"kind": "typo"}]', "typo"),
        ("PUT", "faults", "not json", "Expecting"),
    ],
)
def test_a_wrong_control_request_changes_nothing(sim, method, what, body, reason):
    status, answer = control(sim, method, f"/-/sim/{what}", body)
    assert (status, reason in answer["error"]) == (400, True)
    assert (sim.network(), sim.fault_hits()) == (PROFILES["none"], [])


def test_a_profile_can_be_changed_in_part(sim):
    status, _ = control(sim, "PUT", "/-/sim/profile", '{"name": "aws", "get_s": 0.5}')
    assert status == 200
    assert sim.network() == replace(PROFILES["aws"], get_s=0.5)


def test_control_is_not_counted(sim):
    sim.counters()
    assert sim.counters().requests == 0


def test_requests_may_be_pipelined(sim, sim_client, key):
    url = sim_client.generate_presigned_url("get_object", {"Bucket": "bench", "Key": key}, 60)
    one = f"GET {url.removeprefix(sim.endpoint)} HTTP/1.1\r\nHost: 127.0.0.1:{sim.port}\r\n"
    with socket.create_connection(("127.0.0.1", sim.port), timeout=30) as raw:
        raw.sendall(
            (one + "\r\n" + one + "Range: bytes=0-9\r\n\r\n" + one + "Connection: close\r\n\r\n").encode()
        )
        got = b""
        while piece := raw.recv(1 << 20):
            got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert got.count(b"HTTP/1.1 206 Partial Content") == 1
    assert got.count(BODY) == 2
    assert got.endswith(BODY)


@pytest.mark.parametrize("junk", [b"hello\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"x" * 70_000])
def test_junk_is_answered_400_and_the_connection_closed(sim, junk):
    with socket.create_connection(("127.0.0.1", sim.port), timeout=30) as raw:
        raw.sendall(junk)
        got = raw.recv(4096)
    assert got.startswith(b"HTTP/1.1 400 Bad Request")


def signed_put(sim, path: str, headers: dict[str, str], wire: bytes, *, trailer: bool = False) -> int:
    request = AWSRequest("PUT", sim.endpoint + path, headers=headers, data=None if trailer else wire)
    if trailer:
        request.context["checksum"] = {"request_algorithm": {"in": "trailer", "algorithm": "crc32"}}
    keys = Credentials(sim.env["AWS_ACCESS_KEY_ID"], sim.env["AWS_SECRET_ACCESS_KEY"])
    S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=10)
    try:
        connection.request("PUT", path, wire, dict(request.headers.items()))
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(("checksum", "status"), [("DUoRhQ==", 200), ("AAAAAA==", 400)])
@pytest.mark.parametrize("http_chunked", [False, True])
def test_chunks_with_a_checksum_behind_them(sim, sim_client, prefix, checksum, status, http_chunked):
    wire = f"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n".encode()
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": "11",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    if http_chunked:
        headers["Transfer-Encoding"] = "chunked"
        wire = (
            b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (wire[:7], wire[7:])) + b"0\r\n\r\n"
        )
    assert signed_put(sim, f"/bench/{prefix}x", headers, wire, trailer=True) == status
    if status == 200:
        assert read(sim_client, prefix + "x") == b"hello world"
        assert "ContentEncoding" not in sim_client.head_object(Bucket="bench", Key=prefix + "x")
    else:
        with pytest.raises(ClientError):
            read(sim_client, prefix + "x")


@pytest.mark.parametrize(
    "digest", [{"Content-MD5": "XrY7u+Ae7tCTyyK7j1rNww=="}, {"x-amz-checksum-crc32": "DUoRhQ=="}]
)
def test_a_body_is_held_against_its_digest(sim, prefix, digest):
    assert signed_put(sim, f"/bench/{prefix}x", dict(digest), b"hello world") == 200
    assert signed_put(sim, f"/bench/{prefix}x", dict(digest), b"hello earth") == 400


def test_objects_are_there_after_a_restart(tmp_path, make_client):
    with start_s3("sim", tmp_path) as server:
        make_client(server).put_object(Bucket="bench", Key="x", Body=BODY)
    with start_s3("sim", tmp_path) as server:
        assert read(make_client(server), "x") == BODY


def test_the_log_has_a_line_a_request(tmp_path, make_client):
    log = tmp_path / "requests.jsonl"
    with start_sim(tmp_path, model=PROFILES["none"], log=log) as server:
        client = make_client(server)
        client.put_object(Bucket="bench", Key="x", Body=b"12345")
        read(client, "x", Range="bytes=1-2")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(e["name"], e["key"], e["range"], e["status"], e["bytes_in"], e["bytes_out"]) for e in lines] == [
        ("PutObject", "x", None, 200, 5, 0),
        ("GetObject", "x", "bytes=1-2", 206, 0, 2),
    ]


def test_seaweedfs_and_endpoints_have_no_profile(tmp_path):
    with pytest.raises(S3ServerError, match="only the server sim imitates"):
        start_s3("seaweedfs", tmp_path, profile="aws")
