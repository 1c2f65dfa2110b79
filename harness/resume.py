"""Which stopped run a request goes on with: the newest one of the same plan, code, systems and machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.ground import harness_digest, systems_here
from harness.home import Home
from harness.jobs import JobsSpec
from harness.machine import commit_of, machine_facts, machine_id
from harness.plan import Plan
from harness.runs import RunFolder, all_runs, is_named
from harness.schemas import of_files

__all__ = ["stopped_run"]


def stopped_run(plan: Plan, home: Home, jobs: JobsSpec | None = None) -> RunFolder | None:
    """Return the newest run that was stopped before it was complete, and that this request could have begun.

    A run that was given a name is none: its other parts may be measured elsewhere. On a cluster only its workers know
    how many cpus they have.
    """
    candidates = [
        run
        for run in reversed(all_runs(home))
        if not is_named(run.run_id)
        and of_files(run.facts()["suite"])
        and not run.complete()
        and not run.goes_on()
    ]
    if not candidates:
        return None
    machine, commit = machine_facts(), commit_of(home.folder)
    wanted: dict[str, object] = {
        "suite": plan.suite.name,
        "options": json.loads(json.dumps(plan.options.as_json())),
        "loader": plan.loader,
        "rounds": plan.rounds,
        "groups": plan.groups,
        "machine_id": machine_id(machine),
        "commit": commit.id,
        "harness_digest": harness_digest(),
    }
    if (cpu_count := (jobs or JobsSpec()).cpu_count) is not None:
        wanted["cpu_count"] = cpu_count
    systems = systems_here(list(dict.fromkeys(case.system for case in plan.cases)))
    cases = {case.id: systems[case.system] for case in plan.cases}
    for run in candidates:
        facts = run.facts()
        if any(facts.get(key) != value for key, value in wanted.items()):
            continue
        if _systems_of(facts) == cases:
            return run
    return None


def _systems_of(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    names = ("missing", "ceiling", "version", "digest")
    return {case["id"]: {name: case[name] for name in names} for case in facts["cases"]}
