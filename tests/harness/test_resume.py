"""Which stopped run a request goes on with: one that this very request could have begun, here and now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.campaign import run_facts
from harness.ground import harness_digest, systems_here
from harness.home import Home
from harness.jobs import JobsSpec
from harness.machine import commit_of, machine_facts, machine_id
from harness.plan import Options, Plan, build_plan
from harness.resume import stopped_run
from harness.runs import RunFolder, new_run_id
from harness.suite import load_suite
from tests.harness.bench import SUITE

CPUS = len(os.sched_getaffinity(0))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    suite = tmp_path / "small.toml"
    suite.write_text(SUITE)
    return build_plan(load_suite(str(suite)), Options(), "pillow")


def begun(home: Home, plan: Plan, **change: object) -> str:
    """Begin a run here and stop it at once; return its id."""
    machine = machine_facts()
    ground = {
        "machine": machine,
        "machine_id": machine_id(machine),
        "cpu_count": CPUS,
        "dataset": {},
        "dataset_seed": 42,
        "s3_version": None,
        "commit": commit_of(home.folder).id,
        "dirty": True,
        "harness_digest": harness_digest(),
        "systems": systems_here(["tmpfs"]),
    }
    run = RunFolder(home.runs / new_run_id())
    run.begin(run_facts(plan, ground | change))
    return run.run_id


def found(plan: Plan, home: Home, jobs: JobsSpec | None = None) -> str | None:
    run = stopped_run(plan, home, jobs)
    return run.run_id if run else None


def test_the_same_request_goes_on(home: Home, plan: Plan) -> None:
    run_id = begun(home, plan)

    assert found(plan, home) == found(plan, home, JobsSpec()) == run_id


@pytest.mark.parametrize(
    "change", [{"cpu_count": CPUS + 1}, {"harness_digest": "another"}, {"commit": "d" * 40}]
)
def test_with_other_cpus_harness_or_commit_it_begins_anew(
    home: Home, plan: Plan, change: dict[str, object]
) -> None:
    begun(home, plan, **change)

    assert found(plan, home) is None


@pytest.mark.skipif(CPUS < 2, reason="one processor cannot be shared")
def test_shares_of_the_processors_are_not_all_of_them(home: Home, plan: Plan) -> None:
    begun(home, plan)
    halves = begun(home, plan, cpu_count=CPUS // 2)

    assert found(plan, home, JobsSpec("processes", 2)) == halves


def test_a_cluster_s_workers_say_themselves_how_many_cpus_they_have(home: Home, plan: Plan) -> None:
    run_id = begun(home, plan, cpu_count=CPUS + 1)

    assert found(plan, home, JobsSpec("dask", 0, "tcp://host:1")) == run_id
