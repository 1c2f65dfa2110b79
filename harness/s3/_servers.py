"""What the harness sees of an S3 server, whichever it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from harness.s3._counters import S3Counters

__all__ = ["S3Server", "client_env", "cpu_s_of"]


class S3Server(Protocol):
    """A running server with an empty or filled bucket.

    Attributes
    ----------
    kind
        ``sim``, ``seaweedfs`` or ``external``.
    env
        What a client needs in its environment: endpoint, credentials, region.
    """

    @property
    def kind(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def bucket(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def env(self) -> Mapping[str, str]: ...

    def counters(self) -> S3Counters | None:
        """Requests so far; None where the server cannot tell."""
        ...

    def cpu_s(self) -> float | None:
        """CPU seconds of the server's process so far; None where it is not ours."""
        ...

    def set_profile(self, name: str) -> None:
        """Imitate another network; raises S3ServerError for all but sim."""
        ...


def client_env(endpoint: str, access_key: str, secret_key: str, region: str) -> Mapping[str, str]:
    """The environment of a client of a server on loopback."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def cpu_s_of(pid: int) -> float | None:
    """User and system time of a process; None when it is gone or there is no procfs."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
