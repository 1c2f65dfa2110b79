"""One way to start any S3 server."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

from harness.s3._errors import S3ServerError
from harness.s3._external import use_external
from harness.s3._seaweedfs import start_seaweedfs
from harness.s3._servers import S3Server
from harness.s3._sim_process import profile as profile_named
from harness.s3._sim_process import start_sim

__all__ = ["start_s3"]


def start_s3(
    kind: str,
    folder: Path,
    *,
    profile: str = "none",
    bucket: str = "bench",
    cpus: Collection[int] | None = None,
) -> AbstractContextManager[S3Server]:
    """Run an S3 server as long as the context lasts.

    Parameters
    ----------
    kind
        ``sim``, ``seaweedfs``, or the URL of an endpoint (``https://HOST`` or ``https://HOST/BUCKET``), whose
        credentials are those of the environment.
    folder
        For the server's data and logs; what it holds is there again at the next start.
    profile
        The network to imitate, for sim: a key of `PROFILES`.
    bucket
        Exists when the context is entered; at an endpoint given by URL it must exist already, and one in the URL
        takes its place.
    cpus
        Where the server may run; None for anywhere.

    Raises
    ------
    S3ServerError
        No such kind or profile, or the server cannot be started or reached.
    NotInstalled
        SeaweedFS is asked for and not there.

    Notes
    -----
    The server is a child process; it ends on exit, and if this process dies.
    """
    if kind == "sim":
        return start_sim(folder, model=profile_named(profile), bucket=bucket, cpus=cpus)
    if kind != "seaweedfs" and not kind.startswith(("http://", "https://")):
        raise S3ServerError(f"no S3 server {kind!r}; there are sim, seaweedfs, and any endpoint by its URL")
    if profile != "none":
        raise S3ServerError(
            f"only the server sim imitates a network; {kind} cannot take the profile {profile!r}"
        )
    if kind == "seaweedfs":
        return start_seaweedfs(folder, bucket=bucket, cpus=cpus)
    parts = urlsplit(kind)
    return use_external(f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or bucket)
