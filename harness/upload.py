"""What must lie in S3 before a trial: a packed pond version, or one object per file. Made once, used by later runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from harness.dataset import Dataset
from harness.errors import HarnessError
from harness.machine import source_digest
from harness.s3 import S3Server
from harness.systems.fuse import Layout
from harness.systems.fuse.pond import pond_command, pond_source

__all__ = ["ensure_layouts", "format_digest"]

VERSION: Final = "v1"
_UPLOADERS: Final = 8


def ensure_layouts(server: S3Server, dataset: Dataset, layouts: Iterable[Layout]) -> dict[Layout, str]:
    """Return the URL of each layout, making those that are not there yet.

    Raises
    ------
    HarnessError
        When packing or uploading fails.
    """
    made: dict[Layout, str] = {}
    for layout in layouts:
        if layout == "pond":
            made[layout] = _packed(server, dataset)
        elif layout == "objects":
            made[layout] = _objects(server, dataset)
    return made


def format_digest() -> str:
    """Return a short digest of pond's format: what was packed by another one is packed again."""
    source = pond_source()
    return source_digest(source / "format")[:8] if source and (source / "format").is_dir() else "unknown"


def _environment(server: S3Server) -> Mapping[str, str]:
    return {**os.environ, **server.env}


def _packed(server: S3Server, dataset: Dataset) -> str:
    url = f"s3://{server.bucket}/pond/{dataset.digest[:16]}-{format_digest()}"
    pond, environment = pond_command(), _environment(server)
    there = subprocess.run(
        [*pond, "versions", url], capture_output=True, text=True, check=False, env=environment
    )
    if there.returncode == 0 and VERSION in there.stdout.split():
        return f"{url}@{VERSION}"
    create = [*pond, "create", str(dataset.folder), url, VERSION]
    done = subprocess.run(create, stdout=subprocess.DEVNULL, check=False, env=environment)
    if done.returncode:
        raise HarnessError("pond create could not pack the dataset into S3; its message is above")
    return f"{url}@{VERSION}"


def _objects(server: S3Server, dataset: Dataset) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    prefix = f"objects/{dataset.digest[:16]}"
    marker = f"{prefix}.complete"
    environment = _environment(server)
    client = boto3.client(
        "s3",
        endpoint_url=environment.get("AWS_ENDPOINT_URL"),
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=server.env.get("AWS_SESSION_TOKEN"),
        region_name=environment.get("AWS_REGION"),
        config=Config(max_pool_connections=_UPLOADERS, s3={"addressing_style": "path"}),
    )
    try:
        if client.list_objects_v2(Bucket=server.bucket, Prefix=marker).get("KeyCount"):
            return f"s3://{server.bucket}/{prefix}"

        def put(path: Path) -> None:
            key = f"{prefix}/{path.relative_to(dataset.folder).as_posix()}"
            client.put_object(Bucket=server.bucket, Key=key, Body=path.read_bytes())

        paths = [path for path in sorted(dataset.folder.rglob("*")) if path.is_file()]
        with ThreadPoolExecutor(_UPLOADERS) as uploaders:
            list(uploaders.map(put, paths))
        digest = hashlib.sha256("\n".join(path.name for path in paths).encode()).hexdigest()
        client.put_object(Bucket=server.bucket, Key=marker, Body=digest.encode())
    except (BotoCoreError, ClientError) as error:
        raise HarnessError(f"the files could not be uploaded to S3: {error}") from None
    return f"s3://{server.bucket}/{prefix}"
