"""What /proc says: CPU seconds, peak memory, mounts, and who else used the machine."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = [
    "CpuTotals",
    "cpu_s",
    "cpu_totals",
    "descendants",
    "is_mounted",
    "mount_points",
    "own_cpu_s",
    "peak_rss_bytes",
    "rss_bytes",
    "start_ticks",
    "tree_cpu_s",
]

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, ValueError):
        return None
    return text.rpartition(")")[2].split()  # the name may hold spaces and brackets; field 3 is first here


def cpu_s(pid: int | None) -> float:
    """Return the CPU seconds of a process so far, all its threads; 0 when it is gone."""
    fields = _stat_fields(pid) if pid else None
    return (int(fields[11]) + int(fields[12])) * _TICK_S if fields else 0.0


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in ticks since boot: with the pid it names a process for good."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def descendants(root: int) -> list[int]:
    """Return the pids of all live descendants of a process."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def tree_cpu_s(root: int | None) -> float:
    """Return the CPU seconds of a process and its live descendants."""
    return cpu_s(root) + sum(cpu_s(pid) for pid in descendants(root)) if root else 0.0


def own_cpu_s() -> float:
    """Return the CPU seconds of this process so far and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak_rss_bytes(pid: int | None) -> int | None:
    """Return the largest resident size of a process so far (VmHWM)."""
    return _status_bytes(pid, "VmHWM")


def rss_bytes(pid: int | None) -> int | None:
    """Return the resident size of a process (VmRSS)."""
    return _status_bytes(pid, "VmRSS")


def _status_bytes(pid: int | None, field: str) -> int | None:
    if pid is None:
        return None
    try:
        match = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


@dataclass(frozen=True, slots=True)
class CpuTotals:
    """Seconds of a set of cpus since boot."""

    busy_s: float
    idle_s: float
    steal_s: float


def cpu_totals(cpus: Collection[int]) -> CpuTotals:
    """Return busy, idle and stolen seconds of some cpus since boot, by /proc/stat."""
    busy = idle = steal = 0
    for line in Path("/proc/stat").read_text().splitlines():
        match = re.match(r"cpu(\d+) (.*)", line)
        if match and int(match[1]) in cpus:
            user, nice, system, idling, iowait, irq, softirq, stolen = map(int, match[2].split()[:8])
            busy += user + nice + system + irq + softirq
            idle += idling + iowait
            steal += stolen
    return CpuTotals(busy * _TICK_S, idle * _TICK_S, steal * _TICK_S)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def mount_points() -> Iterable[tuple[Path, str]]:
    """Yield each mount point and its file system type, without touching any (a dead mount would hang)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        yield Path(_unescaped(left.split()[4])), right.split()[0]


def is_mounted(folder: Path) -> bool:
    """Say whether something is mounted at a folder."""
    target = folder.parent.resolve() / folder.name
    return any(point == target for point, _ in mount_points())
