"""One session on one system: its steps are timed, what they wrote is counted, and every version is compared at the end."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.oracle import Portrait, differences, portray
from harness.procfs import peak_rss_bytes, rss_bytes
from harness.systems.pod import MICRO, Version, VersionSystem

__all__ = ["Bench"]

_SYNCS: Final = 5
_SYNC_BYTES: Final = 4 << 20
_HISTORY_EDGE: Final = 100

Samples = dict[str, float]


class Bench:
    """Runs the steps of a workload.

    Parameters
    ----------
    system
        The name of the system.
    folder
        Where it keeps its store: on the disk that is measured.
    scale
        Share of the full size.
    verify
        Whether every version is compared with what was saved; this takes longer than all the rest.
    """

    def __init__(self, system: str, folder: Path, scale: float, *, verify: bool) -> None:
        self._folder = folder
        self._scale = scale
        self._verify = verify
        self._name = system
        self._system = self._opened(existing=False)
        self._namespace = self._system.namespace()
        self._versions: list[tuple[Version, Portrait]] = []
        self._checked = 0
        self._wrong: list[str] = []
        self.samples: dict[str, Samples] = {}

    def scaled(self, size: int) -> int:
        """Return a size of this run."""
        return max(10, round(size * self._scale))

    def session(self, source: str) -> None:
        """Run a part of the session; not timed."""
        exec(compile(source, "<session>", "exec", dont_inherit=True), self._namespace)  # noqa: S102

    # -- steps ----------------------------------------------------------------------------------------------------

    def save(
        self, what: str | None, *, unit: str | None = None, memory_of: int | None = None, repeats: int = 1
    ) -> Version:
        """Save; under a name, this is a measurement. `unit` is a variable whose pickled size the bytes are held to."""
        before_bytes = self._stored_bytes()
        times: list[float] = []
        version: Version = 0
        memory = _PeakMemory() if memory_of else None
        for _ in range(repeats):
            seconds, version = _timed(lambda: self._system.save(self._namespace))
            times.append(seconds)
        if what is not None:
            written = (self._stored_bytes() - before_bytes) / repeats
            samples = {
                "seconds": statistics.median(times),
                "bytes": written,
                "fsync_s": self._fsync_s(written),
            }
            if memory is not None and memory_of:
                samples["extra_memory"] = memory.extra_bytes() / memory_of
            if unit is not None:
                samples["unit_bytes"] = len(pickle.dumps(dict.__getitem__(self._namespace, unit), protocol=5))
            self.samples[what] = samples
        self._remember(version, self._portrait())
        return version

    def load(self, what: str, version: Version, names: Sequence[str] | None = None) -> None:
        """Load a version that was saved, all of it or some names."""
        seconds, loaded = _timed(lambda: self._system.load(version, names))
        self.samples[what] = {"seconds": seconds}
        if self._verify:
            expected = next(portrait for saved, portrait in self._versions if saved is version)
            wanted = expected.names if names is None else frozenset(names)
            self._compared(differences(expected, self._portrait_of(loaded), wanted))
        del loaded

    def save_async(self, what: str, meanwhile: str) -> None:
        """Save in the background, change everything at once, and take the saved state to be that of the call."""
        expected = self._portrait()
        future: Any
        began = time.perf_counter()
        future = self._pod_store().save_async(self._namespace)
        seconds = time.perf_counter() - began
        self.session(meanwhile)
        version = future.result()
        self.samples[what] = {"seconds": seconds, "whole_s": time.perf_counter() - began}
        self._remember(version, expected)

    def history(self, saves: int) -> None:
        """Save often, a little changed each time; then open the store anew and read its log."""
        times = []
        for number in range(saves):
            self.session(f"n{number % 100}.append({number})")
            seconds, version = _timed(lambda: self._system.save(self._namespace))
            times.append(seconds)
            if number in {0, saves // 2, saves - 1}:
                self._remember(version, self._portrait())
        self._system.close()
        opened, system = _timed(lambda: self._opened(existing=True))
        self._system = system
        listed, log = _timed(self._pod_store().log)
        edge = min(_HISTORY_EDGE, saves // 4)
        first, last = statistics.median(times[edge : 2 * edge]), statistics.median(times[-edge:])
        self.samples["open after 1,000 saves"] = {"seconds": opened}
        self.samples["log of 1,000 saves"] = {"seconds": listed, "versions": float(len(log))}
        self.samples["a save, late over early"] = {"seconds": last, "growth": last / first}

    def finish(self) -> dict[str, object]:
        """Compare every version with what was saved; return the verdict. Then the store is closed."""
        for version, expected in self._versions if self._verify else []:
            self._compared(differences(expected, self._portrait_of(self._system.load(version))))
        self._system.close()
        first = self._wrong[0] if self._wrong else None
        return {"checked": self._checked, "wrong": len(self._wrong), "first_wrong": first}

    # -- what they need -------------------------------------------------------------------------------------------

    def _opened(self, *, existing: bool) -> VersionSystem:
        path = self._folder / "store"
        path.mkdir(exist_ok=True)
        return MICRO[self._name].open(path, "fixed", existing)

    def _compared(self, found: list[str]) -> None:
        self._checked += 1
        if found:
            self._wrong.append(found[0])

    def _portrait(self) -> Portrait:
        return self._portrait_of(self._namespace) if self._verify else Portrait({}, [], {}, ())

    def _portrait_of(self, namespace: Mapping[str, Any]) -> Portrait:
        return portray(namespace, code=self._system.saves_code)

    def _remember(self, version: Version, portrait: Portrait) -> None:
        self._versions.append((version, portrait))

    def _pod_store(self) -> Any:
        return vars(self._system)["store"]  # only pod saves in the background and keeps a log

    def _stored_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self._folder / "store").rglob("*") if path.is_file())

    def _fsync_s(self, written_bytes: float) -> float:
        """Return how long a sync takes of as many bytes as were just written (at most 4 MiB), appended.

        Garbage is collected before each, as before each save: a disk that was left alone for a moment answers later.
        """
        data = os.urandom(min(int(written_bytes) or 1, _SYNC_BYTES))
        times = []
        with (self._folder / "sync").open("ab", buffering=0) as file:
            for _ in range(_SYNCS):
                file.write(data)
                times.append(_timed(lambda: os.fdatasync(file.fileno()))[0])
        return statistics.median(times)


class _PeakMemory:
    """The most that this process needs from here on, beyond what it has."""

    def __init__(self) -> None:
        gc.collect()
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._before = rss_bytes(os.getpid()) or 0

    def extra_bytes(self) -> int:
        return max(0, (peak_rss_bytes(os.getpid()) or 0) - self._before)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result
