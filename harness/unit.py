"""A unit is one round of one group: what is dispatched, kept and done again as a whole, so that pairs stay pairs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.dispatch import Outcome, run_trial
from harness.ground import Ground
from harness.home import notebook_path
from harness.leftovers import clear_tree
from harness.plan import Plan, interleaved
from harness.runs import RunFolder
from harness.spec import CaseSpec, TrialSpec
from harness.systems.fuse import SYSTEMS
from harness.wording import counted

__all__ = ["UnitOrder", "Watcher", "other_cpu_share", "run_unit", "unit_of", "verified_in"]


class Watcher(Protocol):
    """Who is told what a unit does."""

    def say(self, text: str) -> None:
        """Hear a line that is not about a trial's end."""

    def started(self, text: str) -> None:
        """Hear which trial runs now."""

    def finished(self, case: str, seconds: float, text: str) -> None:
        """Hear what came of it."""

    def again(self, cases: Sequence[str]) -> None:
        """Hear that trials that had finished will be done again."""


@dataclass(frozen=True, slots=True)
class UnitOrder:
    """What a machine is told to measure."""

    run_id: str
    group: str
    round: int
    cases: tuple[CaseSpec, ...]
    seed: int
    timeout_s: float
    other_cpu_limit: float
    other_cpu_repeats: int
    memory_bytes: int | None
    verified: tuple[str, ...] = ()
    """The cases whose bytes were compared in an earlier round: these are not compared again."""

    @property
    def name(self) -> str:
        """What the unit is called in a run's folder."""
        return f"{self.group}-r{self.round}"

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> UnitOrder:
        """Read what `dataclasses.asdict` gave."""
        cases = tuple(CaseSpec(**case) for case in raw["cases"])
        return cls(**{**raw, "cases": cases, "verified": tuple(raw["verified"])})


def verified_in(unit: Mapping[str, Any]) -> set[str]:
    """Return the cases of a unit whose bytes were compared."""
    return {each["case"] for each in unit["outcomes"] if each["trial"] and each["trial"]["verdict"]}


def unit_of(
    plan: Plan, run_id: str, group: str, trial_round: int, missing: Mapping[str, object]
) -> UnitOrder:
    """Return the order for a round of a group, without the systems that are `missing`."""
    rules = plan.suite.rules
    return UnitOrder(
        run_id=run_id,
        group=group,
        round=trial_round,
        cases=tuple(case for case in plan.of_unit(group, trial_round) if not missing[case.system]),
        seed=rules.seed,
        timeout_s=plan.suite.timeout_s,
        other_cpu_limit=rules.other_cpu_limit,
        other_cpu_repeats=rules.other_cpu_repeats,
        memory_bytes=rules.memory_limit_bytes,
    )


def run_unit(ground: Ground, order: UnitOrder, place: RunFolder, watcher: Watcher) -> dict[str, Any]:
    """Run one round of a group and return what is kept of it.

    Where others took too much of the processors it goes again, at most `other_cpu_repeats` times. Of all attempts that
    with the fewest failed trials is kept, of several such the quietest, and called noisy if it is still over the limit.
    Afterwards nothing of its trials is left, even if it was stopped while one of them cleared up.
    """
    try:
        return _run_unit(ground, order, place, watcher)
    finally:
        clear_tree(place.work)  # only the first stop counts: this is not cut short as a trial's own may be


def _run_unit(ground: Ground, order: UnitOrder, place: RunFolder, watcher: Watcher) -> dict[str, Any]:
    attempts: list[tuple[float | None, list[Outcome]]] = []
    while True:
        last = len(attempts) == order.other_cpu_repeats
        outcomes = []
        for case in interleaved(order.cases, order.round):
            watcher.started(f"round {order.round} {order.group}: {_name(case)}")
            outcome = _trial(ground, order, case, place)
            outcomes.append(outcome)
            watcher.finished(case.id, outcome.wall_s, _line(outcome))
        share = other_cpu_share(outcomes)
        attempts.append((share, outcomes))
        if share is None or share <= order.other_cpu_limit or last:
            break
        watcher.say(f"    other processes took {share:.0%} of the CPU: this round goes again")
        watcher.again([outcome.case for outcome in outcomes])
    share, outcomes = min(attempts, key=_badness)
    loud = share is not None and share > order.other_cpu_limit
    return {
        "group": order.group,
        "round": order.round,
        "other_cpu_share": None if share is None else round(share, 4),
        "attempts": len(attempts),
        "noisy": loud or ground.slot.of > 1,  # a neighbour at work is noise, too
        "neighbours": ground.slot.of - 1,
        "outcomes": [outcome.as_json() for outcome in outcomes],
    }


def _badness(attempt: tuple[float | None, Sequence[Outcome]]) -> tuple[int, float]:
    share, outcomes = attempt
    failed = sum(outcome.trial is None for outcome in outcomes)
    return failed, math.inf if share is None else share


def _trial(ground: Ground, order: UnitOrder, case: CaseSpec, place: RunFolder) -> Outcome:
    work = place.work / f"{case.system}-{os.urandom(3).hex()}"
    digests = place.work / "digests.json"
    if not digests.exists():
        ground.write_digests(digests)
    if ground.server is not None and case.profile is not None:
        ground.server.set_profile(case.profile)
    system = SYSTEMS[case.system]
    spec = TrialSpec(
        case=case,
        run_id=order.run_id,
        round=order.round,
        seed=order.seed,
        dataset_folder=str(ground.dataset.folder),
        dataset_bytes=ground.dataset.bytes,
        digests=str(digests),
        s3_url=ground.urls.get(system.layout),
        probe_port=None if system.layout == "none" else ground.probe_port,
        profile=case.profile,
        twin=case.id not in order.verified,
        work=str(work),
        notebook=str(notebook_path()),
        executed=str(place.folder / "notebooks" / f"{case.id}-r{order.round}.ipynb"),
        result=str(work / "result.json"),
        run_pid=os.getpid(),
        cpus=ground.cpus,
    )
    memory_bytes = order.memory_bytes
    if memory_bytes is not None and system.ceiling:  # its data lies in the memory that is counted
        memory_bytes += 2 * ground.dataset.bytes
    return run_trial(spec, place, order.timeout_s, ground.environment, memory_bytes)


def _name(case: CaseSpec) -> str:
    network = case.profile if SYSTEMS[case.system].layout != "none" else None
    return f"{case.system} {case.config}{f' over {network}' if network else ''}"


def other_cpu_share(outcomes: Sequence[Outcome]) -> float | None:
    """Return the share of the CPU that other processes took over all epochs of some trials; None without epochs."""
    taken = capacity = 0.0
    for outcome in outcomes:
        for epoch in outcome.trial["epochs"] if outcome.trial else []:
            taken += epoch["samples"]["other_cpu_s"]
            capacity += epoch["samples"]["cpu_capacity_s"]
    return taken / capacity if capacity else None


def _line(outcome: Outcome) -> str:
    if outcome.trial is None:
        return f"{outcome.status}: {outcome.reason}"
    parts = []
    for epoch in outcome.trial["epochs"]:
        requests = f", {epoch['s3']['get']:.0f} GETs" if epoch["s3"] else ""
        parts.append(f"{epoch['state']} {epoch['samples']['epoch_s']:.2f} s{requests}")
    verdict = outcome.trial["verdict"]
    if verdict:
        parts.append(f"{counted(verdict['checked'], 'file')} compared, {verdict['wrong']} wrong")
    return "; ".join(parts)
