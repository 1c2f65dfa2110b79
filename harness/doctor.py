"""What this machine can run, what it lacks, and the command that gets it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.kernelcache import can_drop
from harness.s3._seaweedfs import find_weed
from harness.systems.fuse import SYSTEMS

__all__ = ["Finding", "findings"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for."""

    name: str
    found: bool
    detail: str
    needed: bool = False


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


def findings() -> Iterator[Finding]:
    """Yield everything that was looked for, in the order of how much depends on it."""
    fuse = Path("/dev/fuse").exists()
    yield Finding(
        "/dev/fuse", fuse, "there" if fuse else "modprobe fuse; containers: --device /dev/fuse", needed=True
    )
    yield _program("fusermount3", "apt-get install fuse3", needed=True)
    root = os.geteuid() == 0
    yield Finding(
        "root", root, "yes" if root else "no: page cache and dentries stay; results are labelled OPEN"
    )
    yield Finding("drop_caches", can_drop(), "writable" if can_drop() else "needs root")
    version = _output(sys.executable, "-c", "import torch, torchvision; print(torch.__version__)")
    how = "make bench-fuse installs it; --loader pillow does without"
    yield Finding("torch", bool(version), version or how)
    yield _weed()
    for name, system in SYSTEMS.items():
        missing = system.how_to_get()
        yield Finding(f"system {name}", missing is None, missing or system.version())
    yield Finding("cpus", True, f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}")
