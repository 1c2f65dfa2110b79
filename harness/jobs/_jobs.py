"""What a place to measure at has to offer, and how one is asked for."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from harness.errors import UsageError
from harness.slot import Slot, share_of
from harness.unit import UnitOrder

__all__ = ["Jobs", "JobsSpec", "UnitResult", "parse_jobs"]

Kind = Literal["here", "processes", "dask", "slurm"]
_SLURM_WORKERS = 2


@dataclass(frozen=True, slots=True)
class UnitResult:
    """A unit that came back: what it measured, or why it did not.

    Attributes
    ----------
    order
        What was asked for.
    unit
        What is to be kept; None when the unit was lost.
    facts
        `Ground.facts` of the machine that measured it.
    files
        Logs and notebooks, by their place in a run's folder.
    reason
        Why there is no unit.
    """

    order: UnitOrder
    unit: Mapping[str, Any] | None
    facts: Mapping[str, Any]
    files: Mapping[str, str]
    reason: str | None = None


class Jobs(Protocol):
    """Where units are measured: never two at a time on the same processors."""

    def facts(self) -> Mapping[str, Any]:
        """Return `Ground.facts` of a machine that will measure, everything needed being there."""
        ...

    def results(self, orders: Sequence[UnitOrder]) -> Generator[UnitResult]:
        """Measure all units and yield each when it is back, in any order. Closing the iterator stops what runs."""
        ...


@dataclass(frozen=True, slots=True)
class JobsSpec:
    """What ``--jobs`` says: where, and how many units at once (0: as many as there are workers)."""

    kind: Kind = "here"
    at_once: int = 1
    address: str = ""

    @property
    def cpu_count(self) -> int | None:
        """How many processors each trial gets; None where the workers of a cluster say so."""
        if self.kind not in {"here", "processes"}:
            return None
        return len(share_of(Slot(0, self.at_once)))


def parse_jobs(text: str | None) -> JobsSpec:
    """Read ``1``, ``4``, ``dask://host:port``, ``slurm`` or ``slurm:8``.

    Raises
    ------
    UsageError
        When it is none of these.
    """
    if text is None:
        return JobsSpec()
    kind, _, rest = text.partition(":")
    if text.isdecimal() and int(text) > 0:
        return JobsSpec("here" if int(text) == 1 else "processes", int(text))
    if kind == "dask" and rest.startswith("//") and rest.rpartition(":")[2].isdecimal():
        return JobsSpec("dask", 0, f"tcp:{rest}")
    if text == "slurm":
        return JobsSpec("slurm", _SLURM_WORKERS)
    if kind == "slurm" and rest.isdecimal() and int(rest) > 0:
        return JobsSpec("slurm", int(rest))
    raise UsageError(f"--jobs {text!r}: a number of groups at once, dask://HOST:PORT, slurm or slurm:WORKERS")
