"""What this kernel offers to the systems and to the harness, asked of it where that is possible."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gzip
import mmap
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.cgroup import make_cgroup

__all__ = ["KernelFact", "cgroup_fact", "io_uring_fact", "kernel_config", "kernel_facts", "soft_dirty_fact"]

_URING_SETUP: Final = 425
_SOFT_DIRTY: Final = 1 << 55
_PROBE_LIMIT_BYTES: Final = 1 << 30
_FUSE_URING: Final = Path("/sys/module/fuse/parameters/enable_uring")
_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class KernelFact:
    """One thing that a kernel has or has not."""

    name: str
    there: bool
    detail: str


def kernel_config(release: str | None = None) -> Mapping[str, str]:
    """Return the options that this kernel was built with; empty where it does not say."""
    text = ""
    with contextlib.suppress(OSError):
        text = Path(f"/boot/config-{release or platform.release()}").read_text()
    with contextlib.suppress(OSError):
        text = gzip.decompress(Path("/proc/config.gz").read_bytes()).decode()
    lines = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value for name, _, value in lines}


def io_uring_fact() -> KernelFact:
    """Ask for a ring with nowhere to put its description: a kernel that would give one says EFAULT."""
    ctypes.set_errno(0)
    code = _libc.syscall(_URING_SETUP, 1, None)
    reason = ctypes.get_errno() if code < 0 else 0
    if code >= 0:
        os.close(code)
    there = reason in {0, errno.EFAULT}
    why = {errno.EPERM: "forbidden: sysctl kernel.io_uring_disabled=0", errno.ENOSYS: "not built in"}
    return KernelFact("io_uring", there, "works" if there else why.get(reason, os.strerror(reason)))


def soft_dirty_fact() -> KernelFact:
    """Clear this process's soft-dirty bits, write to one page, and look whether the kernel noticed."""
    try:
        with mmap.mmap(-1, mmap.PAGESIZE) as page, Path("/proc/self/pagemap").open("rb", buffering=0) as map_:
            page[0] = 1
            view = (ctypes.c_char * mmap.PAGESIZE).from_buffer(page)
            entry = ctypes.addressof(view) // mmap.PAGESIZE * 8
            del view
            Path("/proc/self/clear_refs").write_text("4\n")
            before = int.from_bytes(os.pread(map_.fileno(), 8, entry), "little") & _SOFT_DIRTY
            page[0] = 2
            after = int.from_bytes(os.pread(map_.fileno(), 8, entry), "little") & _SOFT_DIRTY
    except OSError as error:
        return KernelFact("soft-dirty pages", False, f"refused: {error.strerror}")
    there = not before and bool(after)
    return KernelFact("soft-dirty pages", there, "works" if there else "not built in (CONFIG_MEM_SOFT_DIRTY)")


def cgroup_fact() -> KernelFact:
    """Make a group as a trial would, and say what it may bound."""
    group = make_cgroup(f"harness-doctor-{os.getpid()}", _PROBE_LIMIT_BYTES, os.sched_getaffinity(0))
    if group is None:
        return KernelFact("cgroups", False, "not permitted: trials run without memory limit and cpu set")
    try:
        can = [
            *(["memory limit"] if group.memory_limit_bytes else []),
            *(["cpu set"] if group.cpus else []),
        ]
    finally:
        group.remove()
    return KernelFact("cgroups", bool(can), f"v{group.version}: {' and '.join(can) or 'nothing to bound'}")


def kernel_facts() -> list[KernelFact]:
    """Return all facts, those that most depends on first."""
    config = kernel_config()
    passthrough = config.get("CONFIG_FUSE_PASSTHROUGH") == "y"
    unknown = "" if config else " (the kernel does not say how it was built)"
    uring = _FUSE_URING.read_text().strip() if _FUSE_URING.exists() else ""
    return [
        KernelFact("kernel", True, platform.release()),
        cgroup_fact(),
        KernelFact(
            "FUSE passthrough",
            passthrough,
            "built in; a daemon needs root to use it" if passthrough else f"needs Linux 6.9{unknown}",
        ),
        KernelFact(
            "FUSE over io_uring",
            uring in {"Y", "1"},
            {"Y": "enabled", "1": "enabled", "": "needs Linux 6.14"}.get(
                uring, f"built in, disabled: echo 1 > {_FUSE_URING}"
            ),
        ),
        io_uring_fact(),
        soft_dirty_fact(),
    ]
