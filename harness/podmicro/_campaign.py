"""A run: round by round, each workload on each of its systems in turn, every trial in a fresh process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.children import bound_to_parent
from harness.errors import UsageError
from harness.home import Home
from harness.podmicro._results import SUITE, case_of
from harness.podmicro._workloads import WORKLOADS
from harness.podmicro.trial import Order
from harness.runs import RunFolder, difference, new_run_id
from harness.stores import facts_here, write_cases
from harness.systems.pod import MICRO
from harness.touch import touch_memory
from harness.wording import counted

__all__ = ["Plan", "make_plan", "plan_of", "run_plan"]

TIMEOUT_S: Final = 1800.0
SEED: Final = 42
_SAME: Final = (
    "suite",
    "rounds",
    "groups",
    "scale",
    "versions",
    "digest",
    "harness_digest",
    "machine_id",
    "commit",
)
_MEMORY_BYTES: Final = 14 << 30  # more than any session uses, files included


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does: workloads x systems, and how often."""

    workloads: tuple[str, ...]
    systems: tuple[str, ...]
    rounds: int
    scale: float

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every workload with each of its systems."""
        return [(w, s) for w in self.workloads for s in WORKLOADS[w].systems if s in self.systems]


def make_plan(only: Sequence[str] | None, systems: Sequence[str] | None, rounds: int, scale: float) -> Plan:
    """Check what was asked for.

    Raises
    ------
    UsageError
        For an unknown name, or a number out of range.
    """
    for asked, known in ((only, WORKLOADS), (systems, MICRO)):
        for name in asked or ():
            if name not in known:
                raise UsageError(f"unknown name {name!r}; there are: {', '.join(known)}")
    if rounds < 1:
        raise UsageError(f"rounds must be at least 1, not {rounds}")
    if not 0 < scale <= 1:
        raise UsageError(f"scale must be in (0, 1], not {scale:g}")
    return Plan(tuple(only or WORKLOADS), tuple(systems or MICRO), rounds, scale)


def plan_of(run: RunFolder) -> Plan:
    """Return the plan of a run that was begun.

    Raises
    ------
    UsageError
        It is of another suite.
    """
    facts = run.facts()
    if facts["suite"] != SUITE:
        raise UsageError(f"run {run.run_id} is of suite {facts['suite']!r}, not {SUITE!r}")
    return Plan(tuple(facts["groups"]), tuple(facts["versions"]), facts["rounds"], facts["scale"])


def run_plan(
    plan: Plan, home: Home, say: Callable[[str], None], run: RunFolder | None = None
) -> tuple[RunFolder, list[dict[str, Any]]]:
    """Run all trials and write the results after each round; a trial that fails is a result with a reason.

    Parameters
    ----------
    run
        One that was stopped, to go on with: what it has measured of a session in a round, on all systems, stands.

    Raises
    ------
    UsageError
        The run to go on with measured something else, or another process goes on with it.
    """
    run = run or RunFolder(home.runs / new_run_id())
    missing = {name: MICRO[name].how_to_get() for name in plan.systems}
    facts = _facts(plan, home, missing)
    other = difference(run.facts(), facts, _SAME) if run.exists else None
    if other:
        raise UsageError(f"run {run.run_id} was measured with another {other}: begin a new one")
    with run.held():
        for name, how in missing.items():
            if how:
                say(f"{name}: not installed; {how}")
        run.begin(facts)
        say("using the memory once, so that nobody is measured with its first use (up to a minute)")
        if not touch_memory(int(_MEMORY_BYTES * plan.scale)):
            say("the memory could not be used beforehand: whoever uses it first takes longer")
        outcomes: dict[tuple[str, str], list[dict[str, Any]]] = {pair: [] for pair in plan.pairs}
        cases: list[dict[str, Any]] = []
        for number in range(1, plan.rounds + 1):
            for workload in plan.workloads:
                for system, outcome in _unit(plan, run, workload, number, missing, say).items():
                    outcomes[workload, system].append(outcome)
            cases = [case_of(facts, pair, outcomes[pair], missing[pair[1]]) for pair in plan.pairs]
            write_cases(run, cases)
        shutil.rmtree(run.work, ignore_errors=True)
    return run, cases


def _unit(
    plan: Plan,
    run: RunFolder,
    workload: str,
    number: int,
    missing: Mapping[str, str | None],
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Run a session on each system in turn, or return what that gave before the run was stopped."""
    if run.has_unit(workload, number):
        unit = json.loads(run.unit_path(workload, number).read_text())
        return {outcome["system"]: outcome for outcome in unit["outcomes"]}
    systems = [s for w, s in plan.pairs if w == workload and not missing[s]]
    turn = number % len(systems) if systems else 0
    outcomes = {}
    for place, system in enumerate([*systems[turn:], *systems[:turn]], 1):
        say(f"round {number} of {plan.rounds}: {workload} on {system}")
        outcome = _trial(plan, run, workload, system, verify=number == 1)
        outcomes[system] = {
            **outcome, "system": system, "round": number, "order": place, "run_id": run.run_id
        }  # fmt: skip
        say(f"    {_line(outcome)}")
    run.write_unit(workload, number, {"group": workload, "round": number, "outcomes": [*outcomes.values()]})
    return outcomes


def _facts(plan: Plan, home: Home, missing: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "suite": SUITE,
        "rounds": plan.rounds,
        "groups": list(plan.workloads),
        "scale": plan.scale,
        "seeds": {"session": SEED},
        "versions": {name: "unknown" if missing[name] else MICRO[name].version() for name in plan.systems},
        **facts_here(home),
    }


def _trial(plan: Plan, run: RunFolder, workload: str, system: str, *, verify: bool) -> dict[str, Any]:
    folder = run.work / f"{workload}-{system}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    order = Order(workload, system, plan.scale, verify, str(folder)).write()
    command = bound_to_parent([sys.executable, "-m", "harness.podmicro.trial", str(order)])
    log = run.folder / "logs" / f"{workload}-{system}.log"
    try:
        with log.open("ab") as output:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
                timeout=TIMEOUT_S,
            )
        return _outcome(done.returncode, folder / "result.json", log)
    except subprocess.TimeoutExpired:
        return {"status": "timeout", "reason": f"no result after {TIMEOUT_S:.0f} s"}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _outcome(code: int, result: Path, log: Path) -> dict[str, Any]:
    if code == 0:
        return {"status": "ok", "reason": None, **json.loads(result.read_text())}
    lines = log.read_text(errors="replace").strip().splitlines()
    return {
        "status": "failed",
        "reason": f"the trial's process ended with {code}: {(lines or ['no output'])[-1]}",
    }


def _line(outcome: Mapping[str, Any]) -> str:
    if outcome["status"] != "ok":
        return f"{outcome['status']}: {outcome['reason']}"
    parts = [f"{what} {1000 * samples['seconds']:,.1f} ms" for what, samples in outcome["samples"].items()]
    verdict = outcome["verdict"]
    if verdict["checked"]:
        parts.append(f"{counted(verdict['checked'], 'version')} compared, {verdict['wrong']} wrong")
    return "; ".join(parts)
