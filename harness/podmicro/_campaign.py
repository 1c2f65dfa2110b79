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

from harness.errors import UsageError
from harness.home import Home
from harness.machine import commit_of, machine_facts, machine_id, source_digest
from harness.podmicro._results import SUITE, case_of, write_cases
from harness.podmicro._workloads import WORKLOADS
from harness.podmicro.trial import Order
from harness.runs import RunFolder, new_run_id
from harness.systems.pod import SYSTEMS

__all__ = ["Plan", "make_plan", "run_plan"]

TIMEOUT_S: Final = 1800.0
SEED: Final = 42


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
    for asked, known in ((only, WORKLOADS), (systems, SYSTEMS)):
        for name in asked or ():
            if name not in known:
                raise UsageError(f"unknown name {name!r}; there are: {', '.join(known)}")
    if rounds < 1:
        raise UsageError(f"rounds must be at least 1, not {rounds}")
    if not 0 < scale <= 1:
        raise UsageError(f"scale must be in (0, 1], not {scale:g}")
    return Plan(tuple(only or WORKLOADS), tuple(systems or SYSTEMS), rounds, scale)


def run_plan(plan: Plan, home: Home, say: Callable[[str], None]) -> tuple[RunFolder, list[dict[str, Any]]]:
    """Run all trials and write the results after each round; a trial that fails is a result with a reason."""
    run = RunFolder(home.runs / new_run_id())
    missing = {name: SYSTEMS[name].how_to_get() for name in plan.systems}
    for name, how in missing.items():
        if how:
            say(f"{name}: not installed; {how}")
    facts = _facts(plan, home, missing)
    run.begin(facts)
    outcomes: dict[tuple[str, str], list[dict[str, Any]]] = {pair: [] for pair in plan.pairs}
    cases: list[dict[str, Any]] = []
    for number in range(1, plan.rounds + 1):
        for workload in plan.workloads:
            systems = [s for w, s in plan.pairs if w == workload and not missing[s]]
            turn = number % len(systems) if systems else 0
            for place, system in enumerate([*systems[turn:], *systems[:turn]], 1):
                say(f"round {number} of {plan.rounds}: {workload} on {system}")
                outcome = _trial(plan, run, workload, system, verify=number == 1)
                outcomes[workload, system].append(
                    {**outcome, "round": number, "order": place, "run_id": run.run_id}
                )
                say(f"    {_line(outcome)}")
        cases = [case_of(facts, pair, outcomes[pair], missing[pair[1]]) for pair in plan.pairs]
        write_cases(run, cases)
    shutil.rmtree(run.work, ignore_errors=True)
    return run, cases


def _facts(plan: Plan, home: Home, missing: Mapping[str, str | None]) -> dict[str, Any]:
    machine, commit = machine_facts(), commit_of(home.folder)
    return {
        "suite": SUITE,
        "rounds": plan.rounds,
        "groups": list(plan.workloads),
        "scale": plan.scale,
        "seeds": {"session": SEED},
        "versions": {name: "unknown" if missing[name] else SYSTEMS[name].version() for name in plan.systems},
        "digest": source_digest(Path(__file__).resolve().parents[2] / "impl" / "pod"),
        "machine": machine,
        "machine_id": machine_id(machine),
        "commit": commit.id,
        "dirty": commit.dirty,
    }


def _trial(plan: Plan, run: RunFolder, workload: str, system: str, *, verify: bool) -> dict[str, Any]:
    folder = run.work / f"{workload}-{system}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    order = Order(workload, system, plan.scale, verify, str(folder)).write()
    command = [sys.executable, "-m", "harness.podmicro.trial", str(order)]
    if helper := shutil.which("setpriv"):  # ends with the run, even if the run is killed
        command = [helper, "--pdeathsig", "TERM", "--", *command]
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
        parts.append(f"{verdict['checked']} versions compared, {verdict['wrong']} wrong")
    return "; ".join(parts)
