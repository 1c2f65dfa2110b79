"""What a run's parts must have in common, whoever measures them and however often the run goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.campaign import Campaign, Shard
from harness.errors import HarnessError, UsageError
from harness.home import Home
from harness.jobs import UnitResult
from harness.machine import machine_facts, machine_id
from harness.plan import Options, Plan, build_plan
from harness.progress import RunProgress
from harness.runs import RunFolder
from harness.suite import load_suite
from harness.unit import UnitOrder
from tests.harness.bench import SUITE

MACHINE = machine_facts()
FACTS: Mapping[str, Any] = {
    "machine": MACHINE,
    "machine_id": machine_id(MACHINE),
    "cpu_count": 2,
    "dataset": {"name": "by-hand", "digest": "e" * 64, "files": 40, "bytes": 4_000_000},
    "dataset_seed": 42,
    "s3_version": None,
    "commit": "c" * 40,
    "dirty": False,
    "harness_digest": "h" * 64,
    "systems": {"tmpfs": {"missing": None, "ceiling": True, "version": "6.18", "digest": "kernel"}},
}


class Workers:
    """Jobs whose units come to nothing, on machines that are as they are told to be."""

    def __init__(self, surveyed: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
        self._surveyed = surveyed
        self._measured = measured

    def facts(self) -> Mapping[str, Any]:
        return self._surveyed

    def results(self, orders: Sequence[UnitOrder]) -> Generator[UnitResult]:
        for order in orders:
            outcomes = [
                {"case": case.id, "status": "timeout", "reason": "no result after 1 s", "trial": None}
                for case in order.cases
            ]
            unit = {
                "group": order.group, "round": order.round, "other_cpu_share": None, "attempts": 1, "noisy": False,
                "neighbours": 0, "outcomes": outcomes,
            }  # fmt: skip
            yield UnitResult(order, unit, self._measured, {})


class Bench:
    """A run of two rounds, of which any part may be measured anywhere."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        suite = folder / "small.toml"
        suite.write_text(SUITE)
        self.plan: Plan = build_plan(load_suite(str(suite)), Options(), "pillow")
        self.run = RunFolder(folder / "results" / "local" / "mine")
        self._home = Home(folder)
        self._monkeypatch = monkeypatch

    def measure(
        self, part: str, surveyed: Mapping[str, Any] = FACTS, measured: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        workers = Workers(surveyed, measured or surveyed)
        self._monkeypatch.setattr("harness.campaign.open_jobs", lambda *_: nullcontext(workers))
        campaign = Campaign(self.plan, self._home, self.run, shard=Shard.parse(part))
        return campaign.run(RunProgress(Console(file=io.StringIO())))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


OTHERS = pytest.mark.parametrize(
    ("other", "called"),
    [
        ({"cpu_count": 1}, "number of cpus"),
        ({"harness_digest": "i" * 64}, "harness"),
        ({"commit": "d" * 40}, "commit"),
    ],
)


@OTHERS
def test_a_run_goes_on_only_as_it_was_begun(bench: Bench, other: Mapping[str, Any], called: str) -> None:
    bench.measure("1/2")
    before = (bench.run.folder / "run.json").read_bytes()

    with pytest.raises(UsageError, match=f"was begun with another {called}; start anew"):
        bench.measure("2/2", {**FACTS, **other})

    assert (bench.run.folder / "run.json").read_bytes() == before
    assert [unit["round"] for unit in bench.run.units()] == [1]
    bench.measure("2/2")
    assert bench.run.complete()


@OTHERS
def test_a_unit_from_elsewhere_is_kept_only_if_it_was_measured_alike(
    bench: Bench, other: Mapping[str, Any], called: str
) -> None:
    with pytest.raises(HarnessError, match=f"it was measured with another {called} than the rest"):
        bench.measure("1/1", measured={**FACTS, **other})

    assert bench.run.units() == []


def test_a_run_that_was_begun_before_cpus_were_counted_does_not_go_on(bench: Bench) -> None:
    bench.measure("1/2")
    facts = bench.run.facts()
    del facts["cpu_count"]
    (bench.run.folder / "run.json").write_text(json.dumps(facts))

    with pytest.raises(UsageError, match="another number of cpus"):
        bench.measure("2/2")


def test_one_dirty_part_makes_a_run_dirty_for_good(bench: Bench) -> None:
    dirty = {**FACTS, "dirty": True}

    assert [case["dirty"] for case in bench.measure("1/2")] == [False]
    assert [case["dirty"] for case in bench.measure("2/2", dirty)] == [True]
    assert [case["dirty"] for case in bench.measure("1/1")] == [True]


def test_a_unit_from_a_dirty_worker_makes_a_run_dirty(bench: Bench) -> None:
    (case,) = bench.measure("1/1", measured={**FACTS, "dirty": True})

    assert case["dirty"] is True
    assert bench.run.facts()["dirty"] is True
