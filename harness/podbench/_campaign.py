"""A run: round by round, each workload on each of its systems in turn, every trial in processes of its own."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.children import run_child
from harness.errors import TrialFailed, TrialTimeout, UsageError
from harness.home import Home
from harness.leftovers import clear_tree, remove_tree
from harness.podbench._figures import blocked_s, median_load_s
from harness.podbench._known import make_reference
from harness.podbench._order import Order
from harness.podbench._plan import Case, Plan, Request, file_name
from harness.podbench._results import SUITE, WITHOUT, case_of
from harness.podbench._room import check_room, memory_bytes
from harness.podworkloads import SEED
from harness.progress import RunProgress
from harness.runs import RunFolder, difference, new_run_id
from harness.slot import Slot, hold_slot
from harness.stores import facts_here, size_text, write_cases
from harness.systems.pod import how_to_get, python_of, refuses, version_of
from harness.touch import touch_memory
from harness.wording import counted

__all__ = ["Campaign", "line_of", "request_of", "required_failures"]

_SAME: Final = ("suite", "request", "groups", "versions", "digest", "harness_digest", "machine_id", "commit")
_MOST_TOUCHED_BYTES: Final = 8 << 30

Outcome = dict[str, Any]


def request_of(run: RunFolder) -> Request:
    """Return what a run was asked for.

    Raises
    ------
    UsageError
        It is of another suite.
    """
    facts = run.facts()
    if facts["suite"] != SUITE:
        raise UsageError(f"run {run.run_id} is of suite {facts['suite']!r}, not {SUITE!r}")
    return Request(**facts["request"])


class Campaign:
    """One run of a plan. What it has measured stands when it is run again, in another process, after any stop."""

    def __init__(self, plan: Plan, home: Home, run: RunFolder | None = None) -> None:
        self._plan = plan
        self._home = home
        self.run_folder = run or RunFolder(home.runs / new_run_id())
        missing = {name: how_to_get(name) for name in plan.systems}
        self._without = {
            case: reason for case in plan.cases if (reason := _why_not(case, plan, missing[case.system]))
        }
        self._facts: dict[str, Any] = {}
        self._cases: dict[Case, dict[str, Any]] = {}

    def run(self, progress: RunProgress) -> list[dict[str, Any]]:
        """Do what is left of the plan; return the results. A trial that fails is a result with a reason.

        Raises
        ------
        HarnessError
            Disk or memory cannot hold it, or a workload's cells fail without any system.
        UsageError
            The run was begun with something else, or another process goes on with it.
        """
        check_room(self._plan, self._home)
        run, plan = self.run_folder, self._plan
        with hold_slot(Slot(), self._home, progress.say), run.held():
            clear_tree(run.work)  # of one that was killed
            try:
                self._begin(progress)
                if touch_memory(min(memory_bytes(plan), _MOST_TOUCHED_BYTES)) == 0:
                    progress.say(
                        "the memory could not be used beforehand: whoever uses it first takes longer"
                    )
                for number in range(1, plan.rounds + 1):
                    self._round(number, progress)
            finally:
                clear_tree(run.work)
                remove_tree(run.work if run.exists else run.folder)
        return [self._cases[case] for case in plan.cases]

    def _begin(self, progress: RunProgress) -> None:
        """Write down what this run is; have data and reference runs there; say what is not tried."""
        run, plan = self.run_folder, self._plan
        facts = self._facts_now()
        self._refuse_another(facts, _SAME)
        for system, state, reason in dict.fromkeys((c.system, *why) for c, why in self._without.items()):
            progress.say(f"{system}: {state.replace('_', ' ')}: {reason}")
        facts["references"] = {}
        for asked in plan.workloads:
            order = self._order(Case("", asked), self._home.cache, Path("unused"))
            made = make_reference(order, progress.say, plan.request.timeout_s)
            facts["references"][str(asked)] = made.folder.name
            if made.unstable:
                progress.say(f"{asked}: not judged, as two runs differ in it: {', '.join(made.unstable)}")
        self._refuse_another(facts, ["references"])
        self._facts = facts
        if not run.exists:
            run.begin(facts)
        run.prepare()
        todo, done = [], 0
        for case in plan.cases:
            self._note(case)
            for number in range(1, plan.rounds + 1):
                if run.has_unit(case.id(plan), number):
                    done += 1
                elif case not in self._without:
                    todo.append(case.id(plan))
        progress.expect(todo, done)

    def _refuse_another(self, facts: Mapping[str, Any], names: Sequence[str]) -> None:
        """Let a run go on with what it was begun with only."""
        run = self.run_folder
        if run.exists and (other := difference(run.facts(), facts, names)):
            raise UsageError(f"run {run.run_id} was measured with another {other}: begin a new one")

    def _facts_now(self) -> dict[str, Any]:
        plan = self._plan
        missing = {case.system for case, (state, _) in self._without.items() if state == "not_installed"}
        return {
            "suite": SUITE,
            "rounds": plan.rounds,
            "groups": [case.id(plan) for case in plan.cases if case not in self._without],
            "request": plan.request.as_json(),
            "seeds": {"session": SEED},
            "versions": {name: "unknown" if name in missing else version_of(name) for name in plan.systems},
            **facts_here(self._home),
        }

    def _round(self, number: int, progress: RunProgress) -> None:
        for asked in self._plan.workloads:
            cases = [case for case in self._plan.cases if case.asked == asked and case not in self._without]
            turn = (number - 1) % len(cases) if cases else 0
            for place, case in enumerate([*cases[turn:], *cases[:turn]], 1):
                if self.run_folder.has_unit(case.id(self._plan), number):
                    continue
                progress.started(f"round {number} of {self._plan.rounds}: {case.system} on {asked}")
                outcome = self._trial(case, number)
                outcome |= {"round": number, "order": place, "run_id": self.run_folder.run_id}
                unit = {"group": case.id(self._plan), "round": number, "outcome": outcome}
                self.run_folder.write_unit(case.id(self._plan), number, unit)
                self._note(case)
                progress.finished(case.id(self._plan), outcome["wall_s"], line_of(outcome))

    def _note(self, case: Case) -> None:
        """Write a case's result, of the rounds that there are."""
        run, name = self.run_folder, case.id(self._plan)
        rounds = (number for number in range(1, self._plan.rounds + 1) if run.has_unit(name, number))
        outcomes = [json.loads(run.unit_path(name, number).read_text())["outcome"] for number in rounds]
        self._cases[case] = case_of(self._facts, self._plan, case, outcomes, self._without.get(case))
        write_cases(run, [self._cases[case]])

    def _trial(self, case: Case, number: int) -> Outcome:
        run, name = self.run_folder, case.id(self._plan)
        begin = time.perf_counter()
        clear_tree(run.work)
        work = run.work / f"{file_name(case.asked)}-{case.system}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        order = self._order(case, work, run.folder / "logs" / f"{name}-r{number}.log")
        executed = run.folder / "notebooks" / f"{name}-r{number}.ipynb"
        log = run.folder / "logs" / f"{name}-r{number}-notebook.log"
        command = [sys.executable, "-m", "harness.podbench.execute", str(order.write()), str(executed)]
        outcome: Outcome
        try:
            code = run_child(command, work, log, self._plan.request.timeout_s, order.environment)
            outcome = _outcome(code, order, log)
        except TrialTimeout as error:
            outcome = {"status": "timeout", "reason": str(error)}
        finally:
            clear_tree(run.work)
            shutil.rmtree(work, ignore_errors=True)
        return {**outcome, "wall_s": round(time.perf_counter() - begin, 3)}

    def _order(self, case: Case, folder: Path, log: Path) -> Order:
        plan, request = self._plan, self._plan.request
        workload, scale = plan.workload_of(case.asked), plan.scale_of(case.asked)
        cache = self._home.cache / "podworkloads"
        return Order(
            system=case.system,
            workload=case.asked.name,
            parameters=plan.parameters_of(case.asked),
            exclude=case.asked.exclude,
            notebook=request.notebook,
            scale=scale,
            fidelity=plan.fidelity,
            data=request.data,
            cache=str(cache),
            reference=str(self.run_folder.work / "references" / f"{file_name(case.asked)}.pickle"),
            environment=workload.environment(cache, scale),
            python=python_of(case.system) if case.system else sys.executable,
            directory=str(workload.directory or folder),
            folder=str(folder),
            log=str(log),
        )


def _why_not(case: Case, plan: Plan, missing: str | None) -> tuple[str, str] | None:
    """Return the state of a case that cannot be tried, and why; None where it can."""
    if missing:
        return "not_installed", missing
    workload = "".join([case.asked.name, *(f"[{k}={v}]" for k, v in plan.parameters_of(case.asked).items())])
    if reason := refuses(case.system, workload):
        return "skipped", reason
    return None


def _outcome(code: int, order: Order, log: Path) -> Outcome:
    if code == 0 and order.result.exists():
        return {"status": "ok", "reason": None, **json.loads(order.result.read_text())}
    if order.failed.exists():
        reason = str(json.loads(order.failed.read_text())["reason"])
    else:
        lines = log.read_text(errors="replace").strip().splitlines()
        reason = f"the notebook's process ended with {code}: {lines[-1] if lines else 'no output'}"
    reason = reason.replace(order.folder, "WORK").removeprefix(f"{TrialFailed.__name__}: ")
    return {"status": "failed", "reason": reason}


def line_of(outcome: Mapping[str, Any]) -> str:
    """Return what is said of a trial when it has ended."""
    if outcome["status"] != "ok":
        return f"{outcome['status']}: {outcome['reason']}"
    samples = outcome["samples"]
    load, cold = median_load_s(outcome), median_load_s(outcome, "cold")
    verdicts = [outcome[state]["verdict"] for state in ("warm", "cold")]
    checked, wrong = (sum(verdict[name] for verdict in verdicts) for name in ("checked", "wrong"))
    parts = [
        size_text(samples["storage_bytes"]),
        f"blocked {1000 * blocked_s(outcome):,.1f} ms a save",
        *(
            f"{name} {1000 * value:,.1f} ms"
            for name, value in (("load", load), ("cold", cold))
            if value is not None
        ),
        f"{counted(checked, 'load')} compared, {wrong} wrong",
    ]
    return "; ".join([*parts, *([f"{len(outcome['unsaved'])} unsaved"] if outcome["unsaved"] else [])])


def required_failures(plan: Plan, cases: list[dict[str, Any]]) -> list[str]:
    """Return the systems that REQUIRE names and that were not tried, with the reason."""
    return sorted(
        {
            f"{case['system']}: {case['reason']}"
            for case in cases
            if case["system"] in plan.require and case["status"] in WITHOUT
        }
    )
