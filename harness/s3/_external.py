"""An S3 endpoint that is there already."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.s3._errors import S3ServerError

__all__ = ["ExternalServer", "use_external"]


@dataclass(frozen=True, slots=True)
class ExternalServer:
    """Somebody's server; only its clients can be counted."""

    endpoint: str
    bucket: str
    env: Mapping[str, str]
    version: str
    pid: int | None = None
    kind: str = "external"

    def counters(self) -> None:
        """It cannot tell."""

    def cpu_s(self) -> None:
        """It is not ours."""

    def set_profile(self, name: str) -> None:
        """It is as far away as it is."""
        if name != "none":
            raise S3ServerError(f"{self.endpoint} cannot imitate the network {name!r}; use the server sim")


@contextlib.contextmanager
def use_external(
    endpoint: str, bucket: str, environ: Mapping[str, str] = os.environ
) -> Iterator[ExternalServer]:
    """Check that `bucket` at `endpoint` can be reached with the credentials of the environment; nothing is created."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.session.Session()
    region = session.region_name or "us-east-1"
    credentials = session.get_credentials()
    if credentials is None:
        raise S3ServerError(
            f"no AWS credentials for {endpoint}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    keys = credentials.get_frozen_credentials()
    config = Config(retries={"total_max_attempts": 3}, connect_timeout=10)
    try:
        client = session.client("s3", endpoint_url=endpoint, region_name=region, config=config)
        answer = client.head_bucket(Bucket=bucket)
        client.close()
    except (BotoCoreError, ClientError, ValueError) as error:
        raise S3ServerError(f"cannot use the bucket {bucket} at {endpoint}: {error}") from error
    env = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key or "",
        "AWS_SECRET_ACCESS_KEY": keys.secret_key or "",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
    if keys.token:
        env["AWS_SESSION_TOKEN"] = keys.token
    if endpoint.startswith("http://"):
        env["AWS_ALLOW_HTTP"] = "true"
    for name in ("AWS_CA_BUNDLE", "AWS_EC2_METADATA_DISABLED"):
        if name in environ:
            env[name] = environ[name]
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("server", "unknown")
    yield ExternalServer(endpoint=endpoint, bucket=bucket, env=env, version=said)
