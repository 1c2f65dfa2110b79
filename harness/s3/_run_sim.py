"""Run sim in this process until it is told to end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from harness.s3._errors import S3ServerError
from harness.s3._network import NetworkModel
from harness.s3._server import SimServer
from harness.s3._sigv4 import Credentials
from harness.s3._store import ObjectStore

__all__ = ["ACCESS_KEY", "REGION", "SECRET_KEY", "SimOptions", "run_sim"]

ACCESS_KEY = "harness"
SECRET_KEY = "harness-secret"  # noqa: S105  (of a server on loopback that holds nothing of worth)
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class SimOptions:
    """How to run sim; `port` 0 takes a free one, `bucket` is created if it is not there."""

    folder: Path
    model: NetworkModel
    host: str = "127.0.0.1"
    port: int = 0
    bucket: str | None = "bench"
    log: Path | None = None
    seed: int = 0
    ends_with_stdin: bool = False


def run_sim(options: SimOptions, ready: Callable[[int], None]) -> None:
    """Serve until SIGINT or SIGTERM (or the end of stdin); calls `ready` with the port once it listens.

    Raises
    ------
    S3ServerError
        The folder or the port cannot be used.
    """
    with ExitStack() as stack:
        log: TextIO | None = None
        if options.log is not None:
            try:
                log = stack.enter_context(options.log.open("a", buffering=1, encoding="utf-8"))
            except OSError as error:
                raise S3ServerError(
                    f"cannot write the request log {options.log}: {error.strerror}"
                ) from error
        store = ObjectStore(options.folder)
        stack.callback(store.close)
        if options.bucket and options.bucket not in dict(store.buckets()):
            store.create_bucket(options.bucket)
        asyncio.run(_serve(options, store, log, ready))


async def _serve(
    options: SimOptions, store: ObjectStore, log: TextIO | None, ready: Callable[[int], None]
) -> None:
    server = SimServer(
        store, Credentials(ACCESS_KEY, SECRET_KEY), options.model, region=REGION, seed=options.seed, log=log
    )
    port = server.start(options.host, options.port)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if options.ends_with_stdin:
        os.set_blocking(sys.stdin.fileno(), False)
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, ended)
    gc.freeze()
    ready(port)
    await ended.wait()
    await server.stop()


def _watch_stdin(ended: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        ended.set()
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
