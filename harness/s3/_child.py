"""A server as a child process: started, awaited until it is ready, ended by its pid."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.s3._errors import S3ServerError

__all__ = ["Child", "cpu_list", "run_child"]

_END_S = 20.0


class Child:
    """A running child that ends when its stdin closes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def first_line(self, limit_s: float) -> dict[str, Any]:
        """The JSON it prints when it is ready; raises S3ServerError with the end of its log where it does not."""
        stdout = self.process.stdout
        if stdout is None:
            raise AssertionError("started without a pipe")
        deadline = time.monotonic() + limit_s
        data = b""
        while b"\n" not in data:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise S3ServerError(f"the server was not ready after {limit_s:g} s; {self.last_words()}")
            if select.select([stdout], [], [], left_s)[0]:
                piece = os.read(stdout.fileno(), 4096)
                if not piece:
                    self.process.wait(_END_S)
                    raise S3ServerError(f"the server ended at its start: {self.last_words()}")
                data += piece
        found: dict[str, Any] = json.loads(data)
        return found

    def last_words(self) -> str:
        """The last line of the log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"its log {self.log.name} is empty"


@contextlib.contextmanager
def run_child(arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[Child]:
    """``python -m arguments…`` with stderr in `log`, ended on exit."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    try:
        yield Child(process, log)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def cpu_list(cpus: Collection[int] | None) -> list[str]:
    """The arguments that pin a child to `cpus`."""
    return ["--cpus", ",".join(str(cpu) for cpu in sorted(cpus))] if cpus else []
