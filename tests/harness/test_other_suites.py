"""A run and a published result of `pod-micro`, whose results have another form, disturb no verb for file systems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.compare import compare, parse_side
from harness.durable import write_json
from harness.errors import ResultInvalid, UsageError
from harness.forecast import Forecaster
from harness.home import Home
from harness.inventory import Inventory
from harness.machine import machine_facts, machine_id
from harness.plan import Options, build_plan
from harness.planning import planned_cases
from harness.results import load_cases
from harness.resume import stopped_run
from harness.runs import RunFolder, latest_run, open_run
from harness.schemas import of_files, validate
from harness.suite import load_suite, suite_names
from tests.harness.bench import Bench
from tests.harness.result_factory import case, podmicro_case, podmicro_run, timed

HERE = machine_id(machine_facts())
FIVE = [2.00, 2.02, 1.98, 2.01, 1.99]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a run and a published result of the other suite, of this machine."""
    home = Home(tmp_path)
    result = podmicro_case() | {"machine_id": HERE}
    write_json(home.results / "pod-micro" / HERE / f"{result['id']}.json", result)
    run = podmicro_run(home.runs)
    write_json(run.folder / f"{result['id']}.json", result)
    return home


def test_a_suite_has_its_own_schema_or_that_of_files() -> None:
    assert not of_files("pod-micro")
    assert all(of_files(suite) for suite in suite_names())
    validate(podmicro_case())
    validate(case())
    with pytest.raises(ResultInvalid):
        validate(podmicro_case() | {"suite": "fuse"})


def test_a_plan_counts_and_forecasts_without_it(home: Home) -> None:
    plan = build_plan(load_suite("fuse"), Options(), "pillow")

    planned = planned_cases(plan, home)

    assert all(one.result is None for one in planned)
    inventory = Inventory(home, HERE)
    assert list(inventory.results()) == []
    assert Forecaster(inventory.results()).of(plan.cases[0]).measured is False


def test_it_is_no_run_to_go_on_with(home: Home) -> None:
    plan = build_plan(load_suite("fuse"), Options(), "pillow")

    assert stopped_run(plan, home) is None


def test_the_last_run_of_files_is_meant_where_files_are(home: Home) -> None:
    with pytest.raises(UsageError, match="no run 'last'"):
        open_run(home, "last")
    run = RunFolder(home.runs / "fuse-run")
    run.begin({"suite": "fuse"})
    podmicro_run(home.runs, "newest")

    assert open_run(home, "last").run_id == "fuse-run"
    newest = latest_run(home, any_kind=True)
    assert newest is not None
    assert newest.run_id == "newest"
    with pytest.raises(UsageError, match="suite 'pod-micro'"):
        open_run(home, "newest")
    with pytest.raises(UsageError, match="run newest is of suite 'pod-micro', not 'fuse'"):
        load_cases("fuse", home, "last")
    assert [case["suite"] for case in load_cases("pod-micro", home, "last")] == ["pod-micro"]


def test_a_comparison_leaves_it_out(home: Home) -> None:
    for config in ("19GiB", "2GiB"):
        result = timed("pond", config, FIVE)
        write_json(home.results / "fuse" / result["machine_id"] / f"{result['id']}.json", result)

    assert len(compare("pond/19GiB", "pond/2GiB", home)) == 2
    with pytest.raises(UsageError, match="no run on this machine"):
        parse_side("last", home)
    with pytest.raises(UsageError, match="suite 'pod-micro'"):
        compare("run-p", "published", home)
    commit = "c" * 7
    assert len(compare(f"pond/19GiB@{commit}", f"pond/2GiB@{commit}", home)) == 2


def test_its_last_run_is_not_resumed_by_a_run_of_files(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    podmicro_run(bench.home.runs)

    _, err = bench.run("--resume", "last", code=2)

    assert "no run 'last'" in err
    assert len(err.strip().splitlines()) == 1
    out, _ = bench.call("plan", str(bench.suite), "--loader", "pillow", "--json")
    assert [one["result"] for one in json.loads(out)] == [None]
