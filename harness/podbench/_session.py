"""The timed part of a trial: cells, a save after each, and what the process used for that.

Between a save and the next cell nothing is done but to ask for the store's size, as the published runs do: whoever saves
behind the call is given no time that its user would not give it. How long that takes is a sample, `gap_times`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import TrialFailed
from harness.procfs import cpu_s, cpu_totals, descendants, own_cpu_s, peak_rss_bytes
from harness.systems.pod import VersionSystem

__all__ = ["Session", "other_cpu_share"]


class Session:
    """Runs the cells of a workload in a system's namespace.

    Attributes
    ----------
    versions
        What the system called the state after each cell.
    unsaved
        What it left out of each version, and why.
    samples
        Under the published names, and ours.
    """

    def __init__(self, system: VersionSystem, exclude: Collection[str] = ()) -> None:
        self._system = system
        self._exclude = frozenset(exclude)
        self._namespace: dict[str, Any] = {}
        self.versions: list[int | str] = []
        self.unsaved: list[Mapping[str, str]] = []
        self.samples: dict[str, Any] = {
            name: []
            for name in ("exec_times", "dumps", "async_dumps", "lock_times", "join_times", "gap_times")
        }

    def run(self, cells: Sequence[str], *, collect: bool = True) -> None:
        """Run all cells, save after each, and wait for the last save.

        Parameters
        ----------
        collect
            Whether Python may collect cycles; the published runs do not let it.

        Raises
        ------
        TrialFailed
            A cell, a save or the wait for it raised; the message says which.
        """
        _forget_peak()
        written, cpu, begin = _written_bytes(), _cpu_s(), time.perf_counter()
        self._namespace = self._system.namespace()
        if not collect:
            gc.disable()
        try:
            for number, source in enumerate(cells):
                self._cell(number, source)
            self._last_join(len(cells))
        finally:
            gc.enable()
        wall_s = time.perf_counter() - begin
        # What goes on behind a save is joined by the next one, or at the end: what it left out is told one dump later.
        self.unsaved = self.unsaved[1:] if self.samples["async_dumps"] else self.unsaved[:-1]
        sizes = [dump["storage_b"] for dump in self.samples["dumps"]]
        now = _written_bytes()
        self.samples |= {
            "storage_bytes": sizes[-1] if sizes else 0,
            "grown_bytes": sum(max(0, b - a) for a, b in zip([0, *sizes], sizes, strict=False)),
            "written_bytes": None if now is None or written is None else now - written,
            "peak_rss_bytes": peak_rss_bytes(os.getpid()) or 0,
            "children_peak_rss_bytes": _children_peak_rss_bytes(),
            "cpu_s": _cpu_s() - cpu,
            "wall_s": wall_s,
        }
        self._namespace = {}

    def _cell(self, number: int, source: str) -> None:
        cell = f"cell {number + 1}"
        code = _told(cell, lambda: compile(source, f"<cell {number}>", "exec", dont_inherit=True))
        begin = time.perf_counter()
        _told(cell, lambda: self._system.run(code, source, self._namespace))
        self.samples["exec_times"].append(time.perf_counter() - begin)
        begin = time.perf_counter()
        version = _told(f"the save after {cell}", lambda: self._system.save(self._namespace, self._exclude))
        saved = time.perf_counter()
        self._note(number, saved - begin)
        self.versions.append(version)
        self.samples["gap_times"].append(time.perf_counter() - saved)

    def _last_join(self, number: int) -> None:
        """Wait for the last save: one dump more, as in the published files."""
        begin = time.perf_counter()
        _told("the wait for the last save", self._system.join)
        self._note(number, time.perf_counter() - begin)

    def _note(self, number: int, seconds: float) -> None:
        times = self._system.take_times()
        self.samples["lock_times"] += times.lock_s
        self.samples["join_times"] += times.join_s
        self.samples["async_dumps"] += [
            {"nth": len(self.samples["async_dumps"]) + place, "time_s": taken, "storage_b": stored}
            for place, (taken, stored) in enumerate(times.background)
        ]
        self.unsaved.append(dict(self._system.unsaved))
        stored = _told(f"the size of the store after save {number + 1}", self._system.size)
        self.samples["dumps"].append({"nth": number, "time_s": seconds, "storage_b": stored})


def _told(what: str, work: Callable[[], Any]) -> Any:
    """Do some work of a system or a workload, and say in which step it failed: that is a result."""
    try:
        return work()
    except (Exception, SystemExit) as error:
        raise TrialFailed(f"{what}: {type(error).__name__}: {error}") from error


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _cpu_s() -> float:
    """Return the CPU seconds of this process and its children: a server, or a session of its own, lives on with it."""
    return own_cpu_s() + sum(map(cpu_s, descendants(os.getpid())))


def _children_peak_rss_bytes() -> int:
    """Return the largest resident size of a child, be it that it has ended or lives."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    return max([ended, *(peak_rss_bytes(pid) or 0 for pid in descendants(os.getpid()))])


def _written_bytes() -> int | None:
    """Return what this process and its children have had written to disks; None where that is not told."""
    family = (os.getpid(), *descendants(os.getpid()))
    try:
        lines = [line for pid in family for line in Path(f"/proc/{pid}/io").read_text().splitlines()]
    except OSError:
        return None
    return sum(int(line.partition(":")[2]) for line in lines if line.startswith("write_bytes:"))


def other_cpu_share(cpus: Collection[int], work: Callable[[], None]) -> float:
    """Do some work, and return the share of the processors that others took meanwhile."""
    before, own = cpu_totals(cpus), _cpu_s()
    work()
    after = cpu_totals(cpus)
    busy = after.busy_s - before.busy_s
    capacity = busy + after.idle_s - before.idle_s
    other = max(0.0, busy - (_cpu_s() - own))
    return other / capacity if capacity else 0.0
