"""What must hold at default scales and fidelity `fixed`: each bound as a figure of one round and its limit.

A tree of a few kilobytes, or of no cells, is left out: there a store's own files are more than what is kept in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.podbench._figures import blocked_s, median_load_s
from harness.podbench._results import is_shown
from harness.podworkloads import WORKLOADS
from harness.statistics import Estimate, estimate

__all__ = [
    "BASELINES",
    "BOUNDS",
    "Bound",
    "Held",
    "Pairing",
    "Round",
    "best_of",
    "held_bounds",
    "mutated_fraction",
    "rounds_of",
]

Trial = Mapping[str, Any]
Pairing = tuple[str, int]
_LEAST_TREE_BYTES: Final = 1_000_000
_ELEMENT_BYTES: Final = 100

BASELINES: Final = ("snp", "dill", "shev", "zodb", "zosp")
"""What the published ratios are held against."""


def rounds_of(group: Sequence[Mapping[str, Any]]) -> dict[Pairing, dict[str, Trial]]:
    """Return the trials of some results, by run and round, then by system."""
    rounds: dict[Pairing, dict[str, Trial]] = {}
    for case in group:
        for trial in case["trials"]:
            rounds.setdefault((trial["run_id"], trial["round"]), {})[case["system"]] = trial
    return rounds


def best_of(
    systems: Sequence[str], trials: Mapping[str, Trial], figure: Callable[[Trial], float | None]
) -> float | None:
    """Return the smallest figure of some systems in a round; None unless each has one."""
    found = [value for name in systems if name in trials and (value := figure(trials[name])) is not None]
    return min(found, default=None) if len(found) == len(systems) else None


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a workload: its parameters, and the trial of each system that has one."""

    parameters: Mapping[str, int]
    trials: Mapping[str, Trial]

    def storage(self, system: str) -> float:
        """Return the bytes that a system stored."""
        return float(self.trials[system]["samples"]["storage_bytes"])

    def best(self, figure: Callable[[Trial], float | None]) -> float:
        """Return the smallest figure of the baselines, all of which must have one."""
        return _some(best_of(BASELINES, self.trials, figure))


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: the median of `figure` over all rounds must not be beyond it; of a verdict, no round's.

    Attributes
    ----------
    system, workload
        Whose rows answer for it; no workload is every one.
    at_least
        Whether the limit is the least, and not the most, that the figure may be.
    is_verdict
        Whether it counts loads and measures nothing: it holds at any size, and for rows whose figures are not shown.
    of_excluded
        Whether it is asked of `[exc]`, too. Without its data `msciedaw` is 3.5 times smaller in the published figures, too.
    """

    system: str
    workload: str | None
    text: str
    limit: float
    figure: Callable[[Round], float]
    at_least: bool = False
    is_verdict: bool = False
    of_excluded: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """A bound, what was measured in the rounds, and whether it holds."""

    bound: Bound
    rounds: Estimate

    @property
    def value(self) -> float:
        """What is held against the limit: the median over the rounds; of a verdict, the worst of them."""
        return self.rounds.maximum if self.bound.is_verdict else self.rounds.median

    @property
    def holds(self) -> bool:
        """Whether that is within the limit."""
        return self.value >= self.bound.limit if self.bound.at_least else self.value <= self.bound.limit


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


def _tree_bytes(parameters: Mapping[str, int]) -> int:
    made = parameters["tv"] * parameters["tl"] * _ELEMENT_BYTES  # by the first cell
    return made if parameters["tc"] else 0


def _changed_bytes(parameters: Mapping[str, int]) -> float:
    return _growth(parameters) * _tree_bytes(parameters)


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
        lambda r: r.best(_stored) / r.storage("pga"), at_least=True, of_excluded=False,
    )  # fmt: skip


def _shorter(workload: str) -> Bound:
    return Bound(
        "pga", workload, "blocked >= 2.5 x shorter than by the best baseline", 2.5,
        lambda r: r.best(blocked_s) / blocked_s(r.trials["pga"]), at_least=True, of_excluded=False,
    )  # fmt: skip


def _never_worse(what: str, figure: Callable[[Trial], float | None]) -> Bound:
    return Bound(
        "pod", None, f"{what} <= 1.05 x pga's", 1.05,
        lambda r: _some(figure(r.trials["pod"])) / _some(figure(r.trials["pga"])),
    )  # fmt: skip


def _all_right(system: str) -> Bound:
    return Bound(
        system, None, "every load right", 0.0, lambda r: _wrong(r.trials[system]), is_verdict=True
    )  # fmt: skip


def _stored(trial: Trial) -> float:
    return float(trial["samples"]["storage_bytes"])


def _wrong(trial: Trial) -> float:
    verdicts = [trial[state]["verdict"] for state in ("warm", "cold")]
    if not any(verdict["checked"] for verdict in verdicts):
        raise KeyError("no load was compared")
    return float(sum(verdict["wrong"] for verdict in verdicts))


def _some(value: float | None) -> float:
    if value is None:
        raise KeyError("not each of them has that figure")
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
    shown = is_shown(case) and _is_judged(case)
    rounds = rounds_of([other for other in group if is_shown(other) or other is case])
    found = []
    for bound in BOUNDS:
        if bound.system != case["system"] or bound.workload not in {None, case["name"]}:
            continue
        if not (shown or bound.is_verdict) or (case["exclude"] and not bound.of_excluded):
            continue
        values = []
        for trials in rounds.values():
            try:
                values.append(bound.figure(Round(case["parameters"], trials)))
            except (KeyError, ValueError, ZeroDivisionError):
                continue  # another system has no such round, or there is nothing to divide by
        measured = estimate(values)
        if measured is not None:
            found.append(Held(bound, measured))
    return found


def _is_judged(case: Mapping[str, Any]) -> bool:
    """Say whether figures must be within limits: of known workloads, at their default scale, of some size."""
    name = case["name"]
    if name not in WORKLOADS or case["scale"] != WORKLOADS[name].default_scale:
        return False
    return name != "rmtree" or _tree_bytes(case["parameters"]) >= _LEAST_TREE_BYTES
