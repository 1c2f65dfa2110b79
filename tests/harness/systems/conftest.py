"""One simulator with a few objects, for all mounts of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

from harness.s3 import PROFILES, SimProcess, start_sim
from tests.harness.systems.programs import FILES, PREFIX


@pytest.fixture(scope="session")
def sim_with_objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimProcess]:
    with start_sim(tmp_path_factory.mktemp("sim"), model=PROFILES["none"]) as server:
        client = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            aws_access_key_id=server.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=server.env["AWS_SECRET_ACCESS_KEY"],
            region_name=server.env["AWS_REGION"],
            config=Config(s3={"addressing_style": "path"}),
        )
        for name, content in FILES.items():
            client.put_object(Bucket=server.bucket, Key=f"{PREFIX}/{name}", Body=content)
        client.put_object(Bucket=server.bucket, Key=f"{PREFIX}.complete", Body=b"beside, not below")
        client.close()
        yield server


@pytest.fixture
def sim(sim_with_objects: SimProcess, monkeypatch: pytest.MonkeyPatch) -> SimProcess:
    """The simulator, its address and credentials in the environment, its counters at zero."""
    for variable, value in sim_with_objects.env.items():
        monkeypatch.setenv(variable, value)
    sim_with_objects.reset_counters()
    return sim_with_objects
