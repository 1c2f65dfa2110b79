"""Real mounts through the real command line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pond.metrics import parse_metrics

WAIT_S = 30


@dataclass(frozen=True)
class Mount:
    """A running `pond mount --foreground`."""

    path: Path
    process: subprocess.Popen[str]
    log: Path

    def stats(self) -> dict[str, float]:
        """Its metrics by their short names, as `pond stats` has them."""
        return parse_metrics((self.path / ".prom" / "pond.prom").read_text())


def pond(
    *arguments: str, env: Mapping[str, str] | None = None, timeout: float = WAIT_S
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pond", *arguments],
        env=os.environ | dict(env or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def is_mounted(path: Path) -> bool:
    """Ask the kernel, not the mount."""
    mountpoints = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return str(path) in mountpoints


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what no event tells of."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.005)


@contextlib.contextmanager
def mounted(
    address: str,
    mountpoint: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    launcher: tuple[str, ...] = (sys.executable, "-m", "pond"),
) -> Iterator[Mount]:
    """Mount a version for as long as the context lasts."""
    mountpoint.mkdir(parents=True, exist_ok=True)
    log = mountpoint.with_name(mountpoint.name + ".log")
    command = [*launcher, "mount", address, str(mountpoint), "--foreground"]
    process = subprocess.Popen(
        [*command, "--log-file", str(log), *options],
        env=os.environ | dict(env or {}),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert said.startswith("mounted "), said + process.stderr.read()
        yield Mount(mountpoint, process, log)
    finally:
        end(mountpoint, process)
        process.stderr.close()


def end(mountpoint: Path, process: subprocess.Popen[str]) -> None:
    """Leave neither mount nor process, whatever happened before."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if is_mounted(mountpoint):
        subprocess.run(["fusermount3", "-u", "-z", str(mountpoint)], check=False, capture_output=True)
