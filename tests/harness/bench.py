"""A home of its own and the command line in it, for tests of whole runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.home import Home
from harness.leftovers import NAME
from harness.procfs import mount_points

SUITE = """schema = 1
name = "small"
kind = "fuse"
repeats = 2
timeout_s = 60
scale = "40/118287"

[[system]]
name = "tmpfs"
configs = ["files"]

[[workload]]
name = "random"
params = { access = "random", mode = "raw", batch_size = 8, workers = 2 }

[rules]
other_cpu_limit = 1.0
"""


WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


def waiting() -> subprocess.Popen[bytes]:
    """Return a process that is up, and ends when its stdin does."""
    child = subprocess.Popen([sys.executable, "-c", WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    return child


def processes_of(home: Path) -> list[int]:
    """Return the processes whose environment says that they work in a home."""
    wanted = f"HARNESS_HOME={home}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if wanted in environment:
                found.append(int(entry.name))
    return found


class Bench:
    """A home, a suite in it, and `harness` as a user would call it."""

    def __init__(self, folder: Path, suite: str = SUITE) -> None:
        self.home = Home(folder)
        self.suite = folder / "small.toml"
        self.suite.write_text(suite)
        self.env = {**os.environ, "HARNESS_HOME": str(folder), "COLUMNS": "150", "MOUNT_S3": "/nowhere"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.Popen(
            command,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start a run and stop it at the end of the block if it still goes on, so that no failed test waits for it."""
        with self.start("run", str(self.suite), "--loader", "pillow", *arguments) as child:
            try:
                yield child
            finally:
                if child.poll() is None:
                    child.send_signal(signal.SIGCONT)
                    child.terminate()
                    child.communicate(timeout=60)

    def call(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        with self.start(*arguments) as child:
            try:
                out, err = child.communicate()
            except BaseException:  # the test's time limit: it must not wait here for the child
                child.terminate()
                raise
        assert child.returncode == code, err
        return out, err

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        return self.call("run", str(self.suite), "--loader", "pillow", *arguments, code=code)

    def runs(self) -> list[Path]:
        return sorted(path.parent for path in self.home.runs.glob("*/run.json"))

    def results(self, run: Path, pattern: str = "*_*.json") -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(run.glob(pattern))]

    def trials(self, run: Path) -> list[tuple[str, int]]:
        """Return the case and round of each trial that the units of a run hold, doubled ones doubly."""
        units = [json.loads(path.read_text()) for path in run.glob("units/*.json")]
        return sorted((outcome["case"], unit["round"]) for unit in units for outcome in unit["outcomes"])

    def left(self) -> list[str]:
        """Return what a run has left behind: mounts, records of them, processes, control groups."""
        folder = self.home.folder
        mounts = [str(point) for point, _ in mount_points() if point.is_relative_to(folder)]
        records = [str(path) for path in self.home.folder.glob(f"results/local/**/{NAME}")]
        return mounts + records + [f"process {pid}" for pid in processes_of(folder)] + list(self._groups())

    def left_in_the_end(self) -> list[str]:
        """Return what is left when workers that were told to end have had the time to."""
        deadline = time.monotonic() + 30
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left

    def _groups(self) -> Iterator[str]:
        for record in self.home.folder.glob(f"results/local/**/{NAME}"):
            for line in record.read_text().splitlines():
                if "cgroup" in (entry := json.loads(line)) and Path(entry["cgroup"]).exists():
                    yield entry["cgroup"]


def read_until(child: subprocess.Popen[str], text: str) -> str:
    """Return the first line of a run's stderr that holds a text."""
    assert child.stderr is not None
    seen = []
    for line in child.stderr:
        seen.append(line)
        if text in line:
            return line
    raise AssertionError(f"the run never said {text!r} but: {''.join(seen)}")
