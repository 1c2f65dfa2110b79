"""What must hold at default scales and fidelity `fixed`: each bound as a figure of one round and its limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.podbench._results import blocked_s, median_load_s
from harness.statistics import Estimate, estimate

__all__ = ["BASELINES", "BOUNDS", "Bound", "Held", "Round", "held_bounds", "mutated_fraction"]

Trial = Mapping[str, Any]
_ELEMENT_BYTES: Final = 100

BASELINES: Final = ("snp", "dill", "shev", "zodb", "zosp")
"""What the published ratios are held against."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a workload: its parameters, and the trial of each system that has one."""

    parameters: Mapping[str, int]
    trials: Mapping[str, Trial]

    def storage(self, system: str) -> float:
        """Return the bytes that a system stored."""
        return float(self.trials[system]["samples"]["storage_bytes"])

    def best(self, figure: Callable[[Trial], float | None]) -> float:
        """Return the smallest figure of the baselines."""
        found = [figure(self.trials[name]) for name in BASELINES if name in self.trials]
        return min(value for value in found if value is not None)


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: the median of `figure` over all rounds must not be beyond it.

    Attributes
    ----------
    system, workload
        Whose rows answer for it; no workload is every one.
    at_least
        Whether the limit is the least, and not the most, that the figure may be.
    """

    system: str
    workload: str | None
    text: str
    limit: float
    figure: Callable[[Round], float]
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A bound, what was measured (median over rounds, with its interval), and whether it holds."""

    bound: Bound
    value: Estimate

    @property
    def holds(self) -> bool:
        """Whether the median is within the limit."""
        if self.bound.at_least:
            return self.value.median >= self.bound.limit
        return self.value.median <= self.bound.limit


def mutated_fraction(parameters: Mapping[str, int]) -> float:
    """Return the share of an `rmtree`'s elements that each cell after the first replaces."""
    lists = parameters["tv"] * parameters["tml"] // 100
    elements = parameters["tl"] * parameters["tme"] // 100
    everything = parameters["tv"] * parameters["tl"]
    return lists * elements / everything if everything else 0.0


def _growth(parameters: Mapping[str, int]) -> float:
    return 1 + (parameters["tc"] - 1) * mutated_fraction(parameters)


def _first_bytes(trial: Trial) -> float:
    """Return what the first save stored, be it in its call or behind it."""
    samples = trial["samples"]
    first = samples["async_dumps"] or samples["dumps"]
    return float(first[0]["storage_b"])


def _changed_bytes(parameters: Mapping[str, int]) -> float:
    return _growth(parameters) * parameters["tv"] * parameters["tl"] * _ELEMENT_BYTES


def _apart(one: float, other: float) -> float:
    return abs(one / other - 1)


def _same_bytes(system: str, other: str, limit: float) -> Bound:
    return Bound(
        system, None, f"stores what {other} does, within {limit:.1%}", limit,
        lambda r: _apart(r.storage(system), r.storage(other)),
    )  # fmt: skip


def _smaller(workload: str) -> Bound:
    return Bound(
        "pga", workload, "storage >= 5 x smaller than the best baseline's", 5.0,
        lambda r: r.best(_stored) / r.storage("pga"), at_least=True,
    )  # fmt: skip


def _shorter(workload: str) -> Bound:
    return Bound(
        "pga", workload, "blocked >= 2.5 x shorter than by the best baseline", 2.5,
        lambda r: r.best(blocked_s) / blocked_s(r.trials["pga"]), at_least=True,
    )  # fmt: skip


def _never_worse(what: str, figure: Callable[[Trial], float | None]) -> Bound:
    return Bound(
        "pod", None, f"{what} <= 1.05 x pga's", 1.05,
        lambda r: _some(figure(r.trials["pod"])) / _some(figure(r.trials["pga"])),
    )  # fmt: skip


def _all_right(system: str) -> Bound:
    return Bound(system, None, "every load right", 0.0, lambda r: _wrong(r.trials[system]))


def _stored(trial: Trial) -> float:
    return float(trial["samples"]["storage_bytes"])


def _wrong(trial: Trial) -> float:
    return float(sum(trial[state]["verdict"]["wrong"] for state in ("warm", "cold")))


def _some(value: float | None) -> float:
    if value is None:
        raise KeyError("no load")
    return value


BOUNDS: Final[tuple[Bound, ...]] = (
    _same_bytes("pg0", "pnb", 0.01),
    _same_bytes("pg1", "pnb", 0.01),
    _same_bytes("pgcache4", "pgcache0", 0.001),
    _same_bytes("pgcache0noavf", "snp", 0.03),
    Bound(
        "pga", "rmtree", "stores the first save x (1 + saves x fraction), within 3 %", 0.03,
        lambda r: _apart(r.storage("pga"), _first_bytes(r.trials["pga"]) * _growth(r.parameters)),
    ),
    *(_smaller(workload) for workload in ("skltweet", "msciedaw")),
    *(_shorter(workload) for workload in ("skltweet", "msciedaw")),
    _never_worse("storage", _stored),
    _never_worse("blocked", blocked_s),
    _never_worse("load", median_load_s),
    Bound(
        "pod", "rmtree", "stores <= 1.1 x the bytes that changed", 1.1,
        lambda r: r.storage("pod") / _changed_bytes(r.parameters),
    ),
    _all_right("pod"),
    _all_right("pga"),
)  # fmt: skip


def held_bounds(case: Mapping[str, Any], group: Sequence[Mapping[str, Any]]) -> list[Held]:
    """Return the bounds that a case answers for, by the rounds that all systems which a bound names have.

    Parameters
    ----------
    group
        All results of the same workload, scale and machine.
    """
    if case["fidelity"] != "fixed":
        return []
    rounds: dict[tuple[str, int], dict[str, Trial]] = {}
    for other in group:
        for trial in other["trials"]:
            rounds.setdefault((trial["run_id"], trial["round"]), {})[other["system"]] = trial
    found = []
    for bound in BOUNDS:
        if bound.system != case["system"] or bound.workload not in {None, case["name"]}:
            continue
        values = []
        for trials in rounds.values():
            try:
                values.append(bound.figure(Round(case["parameters"], trials)))
            except (KeyError, ValueError, ZeroDivisionError):
                continue  # another system has no such round, or there is nothing to divide by
        value = estimate(values)
        if value is not None:
            found.append(Held(bound, value))
    return found
