"""S3 servers and clients for tests: one sim and one SeaweedFS a session, a prefix of its own for each test."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from obstore.store import S3Store

from harness.errors import NotInstalled
from harness.s3 import PROFILES, S3Server, SimProcess, start_s3, start_sim
from harness.s3._seaweedfs import find_weed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_serial = itertools.count()


@pytest.fixture(scope="session")
def sim_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimProcess]:
    with start_sim(tmp_path_factory.mktemp("sim"), model=PROFILES["none"]) as server:
        yield server


@pytest.fixture
def sim(sim_of_session: SimProcess) -> Iterator[SimProcess]:
    """The session's simulator, without latency or faults, its counters at zero."""
    sim_of_session.reset_counters()
    yield sim_of_session
    sim_of_session.set_faults([])
    sim_of_session.set_profile("none")


@pytest.fixture(scope="session")
def seaweedfs_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    try:
        find_weed()
    except NotInstalled as error:
        pytest.skip(f"not installed: {error}")
    with start_s3("seaweedfs", tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(params=["sim", "seaweedfs"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Each server in turn: what both must do."""
    found: S3Server = request.getfixturevalue(f"{request.param}_of_session")
    return found


def client_of(server: S3Server, secret: str | None = None, access_key: str | None = None) -> S3Client:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=access_key or server.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret or server.env["AWS_SECRET_ACCESS_KEY"],
        region_name=server.env["AWS_REGION"],
        config=Config(
            signature_version="s3v4", retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
        ),
    )


@pytest.fixture
def make_client():
    """`client_of`, with every client closed afterwards."""
    with contextlib.ExitStack() as stack:

        def make(server: S3Server, secret: str | None = None, access_key: str | None = None) -> S3Client:
            client = client_of(server, secret, access_key)
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def client(server: S3Server, make_client) -> S3Client:
    return make_client(server)


@pytest.fixture
def sim_client(sim: SimProcess, make_client) -> S3Client:
    return make_client(sim)


@pytest.fixture
def prefix() -> str:
    """A place in the bucket nobody else uses."""
    return f"t{next(_serial)}/"


def store_of(server: S3Server, prefix: str) -> S3Store:
    return S3Store(
        server.bucket,
        prefix=prefix,
        endpoint=server.endpoint,
        access_key_id=server.env["AWS_ACCESS_KEY_ID"],
        secret_access_key=server.env["AWS_SECRET_ACCESS_KEY"],
        region=server.env["AWS_REGION"],
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


@pytest.fixture
def store(server: S3Server, prefix: str) -> S3Store:
    return store_of(server, prefix)


@pytest.fixture
def sim_store(sim: SimProcess, prefix: str) -> S3Store:
    return store_of(sim, prefix)
