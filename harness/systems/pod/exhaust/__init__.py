"""Every way to cut few objects into pods, each in a store of its own: the smallest is what podding could reach at best.

The published experiment runs it on `rmtree`. There is nothing to decide in that for pod: the variables are lists of bytes, and
neither a variable nor bytes are anything that a policy is asked about. So it is for notebooks with a few nested containers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from harness.errors import HarnessError, UsageError
from harness.systems.pod._base import Synchronous
from harness.systems.pod._protocol import Registration, Version, VersionSystem, variables

__all__ = ["MOST_DECISIONS", "SYSTEMS", "Exhaust"]

NAME: Final = "exhaust"
MOST_DECISIONS: Final = 12
_WORKLOAD: Final = "rmtree"
_ANYONES: Final = "nb-"
_NOTHING: Final = "a variable is a pod, and what it holds is cut at containers and instances only"
_OPTIONS: Final[Mapping[str, Any]] = {"chunk_dedup": False}


class Exhaust(Synchronous):
    """Stores in memory, one for each series of decisions; all save each version.

    How many decisions there are is what the first save shows. A later one that has more is refused.
    """

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._probe_podding, self._probe = self._store("")
        self._stores: list[Any] = []

    def namespace(self) -> dict[str, Any]:
        import pod

        return pod.new_managed_namespace({"__name__": "__main__"})

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        names = list(variables(namespace, exclude)) if exclude else None
        report = self._probe.save(namespace, names=names)
        decisions = self._probe_podding.asked
        if not decisions and not self._stores:
            raise HarnessError(f"{self.name}: nothing is to be decided in the first save: {_NOTHING}")
        if not self._stores:
            self._stores = [self._store(bits)[1] for bits in _series(decisions)]
        if 2**decisions > len(self._stores):
            raise HarnessError(
                f"{self.name}: {decisions} decisions in a save, {len(self._stores)} stores since the first; "
                "take a workload whose first cell makes all its variables"
            )
        for store in self._stores:
            store.save(namespace, names=names)
        self._unsaved = {lost.name: lost.reason for lost in report.unsaved}
        return int(report)

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._smallest().load(int(version), names=names)
        return found

    def size(self) -> int:
        return _bytes_of(self._smallest())

    def close(self) -> None:
        for store in (self._probe, *self._stores):
            store.close()

    def _smallest(self) -> Any:
        return min(self._stores, key=_bytes_of, default=self._probe)

    def _store(self, bits: str) -> tuple[Any, Any]:
        import pod
        from pod.podding import Exhaustive

        podding = Exhaustive(bits)
        return podding, pod.open(f"memory://{token_hex(8)}", podding=podding, **_OPTIONS)


def _series(decisions: int) -> list[str]:
    if decisions > MOST_DECISIONS:
        raise HarnessError(
            f"{NAME}: {decisions} decisions would need 2^{decisions} stores; at most 2^{MOST_DECISIONS} are made: "
            "take fewer objects"
        )
    return [f"{number:0{decisions}b}" if decisions else "" for number in range(2**decisions)]


def _bytes_of(store: Any) -> int:
    stats = store.stats()
    return int(stats["log_bytes"]) + int(stats["index_bytes"])


def _refuses(workload: str) -> str | None:
    name = workload.partition("[")[0]
    if name == _WORKLOAD:
        return f"{NAME} has nothing to decide in {name}: {_NOTHING}"
    if name.startswith(_ANYONES):
        return None  # how many decisions there are is what the first save shows
    return f"{NAME} makes a store for every way to cut the objects, too many here: take a small notebook (NOTEBOOK=)"


def _open(folder: Path, _fidelity: str, existing: bool) -> VersionSystem:
    if existing:
        raise UsageError(f"{NAME} keeps its versions in memory: no other process has them")
    return Exhaust(NAME, folder)


SYSTEMS: Final[tuple[Registration, ...]] = (
    Registration(
        NAME,
        _open,
        lambda _fidelity: {
            "mode": "sync",
            "podding": f"exhaustive, at most 2^{MOST_DECISIONS}",
            "backend": "memory",
            **_OPTIONS,
        },
        lambda: None,
        refuses=_refuses,
        outlives_process=False,
    ),
)
