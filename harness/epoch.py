"""One epoch's numbers: wall time from the first batch on, CPU by party, requests, memory, and who else was there."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field
from typing import Final

from harness.errors import TrialFailed
from harness.probe import Probe, ServerReading
from harness.procfs import CpuTotals, cpu_s, cpu_totals, descendants, peak_rss_bytes
from harness.spec import TrialSpec

__all__ = ["EpochRecord", "EpochTimer", "Ledger"]

_ROUND: Final = 6


class EpochTimer:
    """Wall-clock times of one epoch. Worker start and the first batch are a sample of their own."""

    def __init__(self, files: int) -> None:
        self._files = files
        self._begin = time.perf_counter()
        self._first: float | None = None
        self._end: float | None = None
        self._images = 0
        self._first_images = 0

    def took(self, images: int) -> None:
        """Say that a batch of so many images has been consumed."""
        if self._first is None:
            self._first = time.perf_counter()
            self._first_images = images
        self._images += images

    def finish(self) -> None:
        """Stop the clock.

        Raises
        ------
        TrialFailed
            When the epoch did not take every file once.
        """
        self._end = time.perf_counter()
        if self._images != self._files:
            raise TrialFailed(f"the epoch took {self._images} images of {self._files}")

    def samples(self) -> dict[str, float]:
        """Return the epoch's times."""
        if self._first is None or self._end is None:
            raise TrialFailed("the epoch was not finished")
        epoch_s = self._end - self._first
        timed = self._images - self._first_images
        return {
            "first_batch_s": self._first - self._begin,
            "epoch_s": epoch_s,
            "total_s": self._end - self._begin,
            "images_per_s": timed / epoch_s if timed and epoch_s else 0.0,
            "files": float(self._images),
        }


@dataclass(slots=True)
class EpochRecord:
    """What a result says of one epoch."""

    state: str
    samples: dict[str, float]
    s3: dict[str, float] | None
    cpu_s: dict[str, float | None]
    peak_rss_bytes: int | None
    page_cache_bytes: int | None = None
    cache_state: dict[str, dict[str, object]] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the form that results hold."""
        return {
            "state": self.state,
            "samples": {name: round(value, _ROUND) for name, value in self.samples.items()},
            "cache_state": self.cache_state,
            "s3": self.s3,
            "cpu_s": {
                party: None if value is None else round(value, _ROUND) for party, value in self.cpu_s.items()
            },
            "peak_rss_bytes": self.peak_rss_bytes,
            "page_cache_bytes": self.page_cache_bytes,
        }


@dataclass(frozen=True, slots=True)
class _Moment:
    at_s: float
    totals: CpuTotals
    loader_s: float
    system_s: float
    harness_s: float
    server: ServerReading


class Ledger:
    """Reads all parties' meters at both ends of an epoch."""

    def __init__(self, spec: TrialSpec, probe: Probe) -> None:
        self._cpus = spec.cpus
        self._run_pid = spec.run_pid
        self._probe = probe
        self._mounted: ServerReading | None = None
        self._begin: _Moment | None = None
        self._since: ServerReading | None = None

    def open(self, system_pid: int | None) -> None:
        """Note the server's counters before the mount: a cold epoch answers for all requests from here on."""
        self._mounted = self._now(system_pid).server

    def begin(self, system_pid: int | None, *, since_mount: bool) -> None:
        """Note all meters before an epoch."""
        self._begin = self._now(system_pid)
        self._since = self._mounted if since_mount else self._begin.server

    def end(self, state: str, timer: EpochTimer, system_pid: int | None) -> EpochRecord:
        """Note all meters after an epoch and return the differences."""
        if self._begin is None or self._since is None:
            raise TrialFailed("an epoch ended that had not begun")
        before, after = self._begin, self._now(system_pid)
        server_s = None
        if after.server.cpu_s is not None and before.server.cpu_s is not None:
            server_s = after.server.cpu_s - before.server.cpu_s
        loader_s = after.loader_s - before.loader_s
        system_s = after.system_s - before.system_s
        ours = loader_s + system_s + (server_s or 0.0) + after.harness_s - before.harness_s
        busy = after.totals.busy_s - before.totals.busy_s
        capacity = (after.at_s - before.at_s) * len(self._cpus)
        samples = timer.samples()
        samples["other_cpu_s"] = max(0.0, busy - ours)
        samples["cpu_capacity_s"] = capacity
        samples["steal_s"] = after.totals.steal_s - before.totals.steal_s
        if (early := before.server.since(self._since)) is not None:
            samples["requests_before_epoch"] = early["get"] + early["head"] + early["list"]
            samples["bytes_before_epoch"] = early["bytes"]
        return EpochRecord(
            state=state,
            samples=samples,
            s3=after.server.since(self._since),
            cpu_s={"system": system_s if system_pid else None, "loader": loader_s, "server": server_s},
            peak_rss_bytes=peak_rss_bytes(system_pid),
        )

    def _now(self, system_pid: int | None) -> _Moment:
        own, reaped = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        family = descendants(os.getpid())
        daemon = {system_pid, *descendants(system_pid)} if system_pid else set()
        loader = own.ru_utime + own.ru_stime + reaped.ru_utime + reaped.ru_stime
        return _Moment(
            at_s=time.perf_counter(),
            totals=cpu_totals(self._cpus),
            loader_s=loader + sum(cpu_s(pid) for pid in family if pid not in daemon),
            system_s=sum(cpu_s(pid) for pid in daemon if pid),
            harness_s=cpu_s(self._run_pid),
            server=self._probe.read(),
        )
