"""How pond's cost grows with the number of files: create, mount, memory, listing.

One process after the other through the command line, as a user would; nothing but pond runs meanwhile. Trees are made
of hard links to a few small files, so that a million names cost little disk.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from harness.durable import write_json
from harness.errors import TrialFailed
from harness.procfs import rss_bytes
from harness.s3 import S3Server, start_s3
from harness.systems.fuse.pond import pond_command

__all__ = ["Measure", "measure_scaling", "save_measures"]

_FOLDER_FILES: Final = 1000
_MOUNT_FILES: Final = 1_000_000
_CREATE_FILES: Final = (10_000, 100_000)
_POLL_S: Final = 0.005
_TIMEOUT_S: Final = 120.0
_MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Measure:
    """One bound: what was measured, and what it must not exceed."""

    name: str
    value: float
    unit: str
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the value is within its bound."""
        return self.value <= self.bound


def measure_scaling(folder: Path, repeats: int, say: Callable[[str], None]) -> list[Measure]:
    """Measure all bounds in a temporary folder below ``folder``; medians of ``repeats``.

    Parameters
    ----------
    folder
        On a disk with 5 GB to spare.
    repeats
        How often each is measured.
    say
        Told what is done next.

    Raises
    ------
    TrialFailed
        pond failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scaling-", dir=folder) as name:
        work = Path(name)
        say(f"packing {_CREATE_FILES[0]:,} and {_CREATE_FILES[1]:,} files, {repeats} times")
        growth = _create_growth(work, repeats)
        say(f"packing {_MOUNT_FILES:,} files, and mounting them {repeats} times")
        return [growth, *_mount_cost(work, repeats)]


def _create_growth(work: Path, repeats: int) -> Measure:
    """Seconds a file at 100,000 files over seconds a file at 10,000."""
    ratios = []
    trees = {count: _tree(work / f"tree-{count}", count, 1024) for count in _CREATE_FILES}
    for _ in range(repeats):
        seconds = {}
        for count, tree in trees.items():
            volume = work / "volume"
            began = time.perf_counter()
            _pond(["create", str(tree), str(volume), "v1"])
            seconds[count] = time.perf_counter() - began
            shutil.rmtree(volume)
        small, large = _CREATE_FILES
        ratios.append(seconds[large] / seconds[small] / (large / small))
    for tree in trees.values():
        shutil.rmtree(tree)
    return Measure("create: time a file, 100,000 files over 10,000", statistics.median(ratios), "x", 1.3)


def _mount_cost(work: Path, repeats: int) -> list[Measure]:
    """What a million files add to a mount over S3 with the network of AWS."""
    with start_s3("sim", work / "s3") as server:
        environment = {**os.environ, **server.env}
        (work / "empty").mkdir()
        tree = _tree(work / "million", _MOUNT_FILES, 100)
        for name, source in (("empty", work / "empty"), ("million", tree)):
            _pond(["create", str(source), _url(server, name), "v1"], environment)
        shutil.rmtree(tree)
        server.set_profile("aws")
        seconds: list[float] = []
        resident: list[float] = []
        listing: list[float] = []
        for _ in range(repeats):
            with _mounted(work, _url(server, "empty"), environment) as empty:
                pass
            with _mounted(work, _url(server, "million"), environment) as million:
                began = time.perf_counter()
                folder = million.mountpoint / f"{_MOUNT_FILES // _FOLDER_FILES // 2:04}"
                names = [entry.name for entry in os.scandir(folder)]
                listing.append(time.perf_counter() - began)
                if len(names) != _FOLDER_FILES:
                    raise TrialFailed(f"a folder of {_FOLDER_FILES} files listed {len(names)}")
            seconds.append(million.seconds - empty.seconds)
            resident.append((million.resident_bytes - empty.resident_bytes) / _MB)
    return [
        Measure("mount: 1,000,000 files over none", statistics.median(seconds), "s", 0.5),
        Measure("memory: 1,000,000 files over none", statistics.median(resident), "MB", 150),
        Measure("ls: a folder of 1,000 files", statistics.median(listing), "s", 0.1),
    ]


def _tree(top: Path, files: int, size_bytes: int) -> Path:
    """Make a tree of folders of a thousand files; each folder's files are links to one."""
    for number in range(files // _FOLDER_FILES):
        folder = top / f"{number:04}"
        folder.mkdir(parents=True)
        first = folder / "000000.bin"
        first.write_bytes(os.urandom(size_bytes))
        for file in range(1, _FOLDER_FILES):
            os.link(first, folder / f"{file:06}.bin")
    return top


def _url(server: S3Server, name: str) -> str:
    return f"s3://{server.bucket}/{name}"


def _pond(arguments: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        [*pond_command(), *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        raise TrialFailed(f"pond {arguments[0]} failed: {done.stderr.strip()}")


@dataclass(frozen=True, slots=True)
class _Mount:
    mountpoint: Path
    seconds: float
    resident_bytes: int


@contextmanager
def _mounted(work: Path, url: str, environment: Mapping[str, str]) -> Iterator[_Mount]:
    mountpoint = work / "mount"
    mountpoint.mkdir(exist_ok=True)
    began = time.perf_counter()
    daemon = subprocess.Popen(
        [*pond_command(), "mount", "--foreground", url, str(mountpoint)],
        env=dict(environment),
        stderr=subprocess.DEVNULL,
    )
    try:
        while not mountpoint.is_mount():
            if daemon.poll() is not None or time.perf_counter() - began > _TIMEOUT_S:
                raise TrialFailed(f"pond mount {url} did not mount")
            time.sleep(_POLL_S)
        seconds = time.perf_counter() - began
        yield _Mount(mountpoint, seconds, rss_bytes(daemon.pid) or 0)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(_TIMEOUT_S)


def save_measures(measures: list[Measure], path: Path) -> None:
    """Write the measures for scripts."""
    write_json(path, [{**asdict(measure), "holds": measure.holds} for measure in measures])
