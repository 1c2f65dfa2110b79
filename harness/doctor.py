"""What this machine can run, what it lacks, and the command that gets it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import psutil

from harness.errors import HarnessError
from harness.home import find_home
from harness.kernelcache import can_drop
from harness.kernelfacts import kernel_facts
from harness.noise import spin
from harness.plan import DATASET_BYTES, Options, build_plan
from harness.s3._seaweedfs import find_weed
from harness.suite import load_suite, suite_names
from harness.systems import pod
from harness.systems.fuse import SYSTEMS

__all__ = ["Finding", "findings"]

GIB: Final = 1 << 30
_NOISY: Final = 0.05
# The files, once for each layout in S3, and a peer's cache on disk.
_DISK_COPIES: Final = 4
# The ceiling holds all files in memory, and so may one cache.
_MEMORY_COPIES: Final = 2
# A workload of pod-bench that no system refuses for what is in it: anyone's small notebook.
_SMALLEST: Final = "nb-small"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for."""

    name: str
    found: bool
    detail: str
    needed: bool = False


def findings(suite: str | None = None) -> Iterator[Finding]:
    """Yield what was looked for, in the order of how much depends on it; for one suite, or for all of them.

    Raises
    ------
    SuiteError
        When there is no such suite.
    """
    suites = [suite] if suite else suite_names()
    plans = [build_plan(load_suite(name), Options(), "pillow") for name in suites]
    yield from _programs()
    for fact in kernel_facts():
        yield Finding(fact.name, fact.there, fact.detail)
    used = {case.system for plan in plans for case in plan.cases}
    missing = {}
    for name, system in SYSTEMS.items():
        if suite and name not in used:
            continue
        missing[name] = system.how_to_get()
        yield Finding(f"system {name}", missing[name] is None, missing[name] or system.version())
    if suite is None:
        yield from _stores_of_variables()
    for plan in plans:
        lacking = sorted({case.system for case in plan.cases if missing[case.system]})
        yield _suite(plan.suite.name, lacking, float(DATASET_BYTES * plan.scale))
    yield _noise()


def _stores_of_variables() -> Iterator[Finding]:
    """Yield pod-bench's systems, grouped by what they lack here, or else by the version of what they are made with."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for name in pod.names():
        lacks = pod.how_to_get(name) or pod.refuses(name, _SMALLEST)
        groups.setdefault((lacks is None, lacks or pod.version_of(name)), []).append(name)
    for (found, detail), names in groups.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Finding(f"pod-bench {names[0]}{more}", found, f"{detail}: {', '.join(names)}")


def _programs() -> Iterator[Finding]:
    fuse = Path("/dev/fuse").exists()
    yield Finding(
        "/dev/fuse", fuse, "there" if fuse else "modprobe fuse; containers: --device /dev/fuse", needed=True
    )
    yield _program("fusermount3", "apt-get install fuse3", needed=True)
    yield _program("setpriv", "apt-get install util-linux: a killed run would leave its trial running")
    root = os.geteuid() == 0
    yield Finding(
        "root", root, "yes" if root else "no: page cache and dentries stay; results are labelled OPEN"
    )
    yield Finding("drop_caches", can_drop(), "writable" if can_drop() else "needs root")
    torch = [_distribution(name) for name in ("torch", "torchvision")]
    how = "make bench-fuse installs it; --loader pillow does without"
    yield Finding("torch", all(torch), " and torchvision ".join(torch) if all(torch) else how)
    yield _weed()
    dask = [_distribution(name) for name in ("distributed", "dask-jobqueue")]
    how = "for --jobs dask://... and slurm: pip install 'pond-pod-bench[cluster]'"
    yield Finding("dask", all(dask), " and dask-jobqueue ".join(dask) if all(dask) else how)
    yield Finding("cpus", True, f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}")


def _distribution(name: str) -> str:
    """Return an installed distribution's version, or nothing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    text = (done.stdout or done.stderr).strip()
    return text.splitlines()[0] if done.returncode == 0 and text else ""


def _program(name: str, how: str, *, needed: bool = False) -> Finding:
    found = shutil.which(name)
    return Finding(name, found is not None, _output(name, "--version") if found else how, needed)


def _weed() -> Finding:
    try:
        return Finding("seaweedfs", found=True, detail=_output(str(find_weed()), "version") or "there")
    except HarnessError as error:
        return Finding("seaweedfs", found=False, detail=str(error))


def _suite(name: str, lacking: list[str], dataset_bytes: float) -> Finding:
    """Say whether a suite can run in full: its systems, its disk, its memory."""
    folder = find_home().cache
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    memory = psutil.virtual_memory().available
    problems = [f"without {', '.join(lacking)}"] if lacking else []
    for what, there, wanted in (
        ("disk", free, _DISK_COPIES * dataset_bytes),
        ("memory", memory, _MEMORY_COPIES * dataset_bytes),
    ):
        if there < wanted:
            problems.append(f"needs {wanted / GIB:.1f} GiB of {what}, {there / GIB:.1f} are free")
    ready = f"all systems; {dataset_bytes / GIB:.2f} GiB of files"
    return Finding(f"suite {name}", not problems, "; ".join(problems) or ready)


def _noise() -> Finding:
    noise = spin()
    quiet = noise.spread < _NOISY and noise.other_share < _NOISY and noise.steal_share < _NOISY
    detail = (
        f"a fixed piece of work takes up to {noise.spread:.1%} longer; other processes {noise.other_share:.1%}, "
        f"hypervisor {noise.steal_share:.1%} of the CPU"
    )
    return Finding("quiet", quiet, detail if quiet else f"{detail}: end what runs beside")
