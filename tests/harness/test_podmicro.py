"""The suite `pod-micro`: what it runs, what its figures mean, and what its table may show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, ResultInvalid, UsageError
from harness.home import Home
from harness.podmicro import as_flat, make_plan, publish_cases, render, rows_of, run_plan
from harness.podmicro._bench import Bench
from harness.podmicro._bounds import BOUNDS
from harness.podmicro._campaign import plan_of
from harness.podmicro._results import case_of, held_bounds
from harness.podmicro._workloads import WORKLOADS
from harness.podmicro.cli import pod_micro
from harness.runs import RunFolder
from harness.stores import write_cases
from harness.systems.pod import MICRO, Version
from harness.systems.pod._files import FilePerSave
from harness.systems.pod._picklers import Pickle

FACTS = {
    "rounds": 7,
    "scale": 1.0,
    "seeds": {"session": 42},
    "versions": dict.fromkeys(MICRO, "1"),
    "digest": "0",
    "machine": {"cpu_model": "c", "cores": 2, "memory_gib": 1, "kernel": "6", "python": "3"},
    "machine_id": "0" * 12,
    "commit": "c" * 40,
    "dirty": False,
}


def outcome(
    number: int, samples: Mapping[str, Any], *, checked: int = 2, wrong: int = 0, busy: float = 0.0
) -> dict[str, Any]:
    verdict = {
        "checked": checked if number == 1 else 0,
        "wrong": wrong if number == 1 else 0,
        "first_wrong": None,
    }
    return {
        "status": "ok", "reason": None, "samples": samples, "verdict": verdict, "other_cpu_share": busy,
        "cpus": [0], "round": number, "order": 1, "run_id": "r",
    }  # fmt: skip


def lists_case(system: str, seconds: float, **how: Any) -> dict[str, Any]:
    samples = {
        "first save": {"seconds": seconds, "bytes": 1e8, "fsync_s": 0.01},
        "1 of 100 lists rewritten": {
            "seconds": seconds / 100 + 0.01,
            "bytes": 1e6,
            "fsync_s": 0.01,
            "unit_bytes": 1e6,
        },
        "full load": {"seconds": seconds},
        "partial load of 1 of 100 lists": {"seconds": 0.003 + seconds / 100},
        "everything mutated": {"seconds": seconds, "bytes": 1e8, "fsync_s": 0.01},
    }
    outcomes = [outcome(number, samples, **how) for number in range(1, 8)]
    return case_of(FACTS, ("lists", system), outcomes, None)


def test_every_bound_names_what_its_workload_measures() -> None:
    assert {bound.workload for bound in BOUNDS} == set(WORKLOADS)
    assert len(BOUNDS) > 20
    assert len({(bound.workload, bound.what, bound.text) for bound in BOUNDS}) == len(BOUNDS)


def test_bounds_are_medians_over_paired_rounds() -> None:
    cases = [lists_case("pod", 1.0), lists_case("pickle", 1.0), lists_case("dill", 3.0)]
    held = {(each.bound.what, each.bound.text): each for each in held_bounds(cases, cases[0])}
    first = held["first save", "<= 1.2 x pickle"]
    assert (first.value.median, first.value.n, first.holds) == (1.0, 7, True)
    assert not held["first save", "<= 1/4 of dill"].holds
    rewritten = held["1 of 100 lists rewritten", "<= 2 % of the first save + one fsync"]
    assert rewritten.value.median == pytest.approx(0.01)
    partial = held["partial load of 1 of 100 lists", "<= 1.5 % of the full load + 2 ms"]
    assert partial.value.median == pytest.approx(0.011)


def test_without_the_other_system_there_is_no_ratio() -> None:
    cases = [lists_case("pod", 1.0)]
    texts = [each.bound.text for each in held_bounds(cases, cases[0])]
    assert "<= 1.2 x pickle" not in texts
    assert "<= 1.1 x the list's bytes written" in texts
    assert all(row.ratio is None for row in rows_of(cases))


@pytest.mark.parametrize(
    ("how", "label", "reason"),
    [
        ({}, "CLOSED", None),
        ({"wrong": 1}, "INVALID", "1 of 2 loaded versions wrong"),
        ({"checked": 0}, "INVALID", "versions not compared"),
        ({"busy": 0.5}, "OPEN", "other processes in 7 of 7 rounds"),
    ],
)
def test_labels(how: dict[str, Any], label: str, reason: str | None) -> None:
    case = lists_case("pod", 1.0, **how)
    assert case["label"] == label
    assert case["label_reasons"] == ([] if reason is None else [reason])
    flat = as_flat(rows_of([case])[0])
    assert (flat["median_s"] is None) is (label == "INVALID")


def test_flat_rows_have_the_agreed_columns() -> None:
    cases = [lists_case("pod", 2.0), lists_case("pickle", 1.0)]
    row = next(
        as_flat(row) for row in rows_of(cases) if row.case["system"] == "pod" and row.what == "first save"
    )
    columns = "suite system workload what scale median_s n ratio_to_pickle storage_bytes verdict label commit"
    assert set(columns.split()) <= set(row)
    assert (row["median_s"], row["ratio_to_pickle"], row["n"], row["verdict"]) == (2.0, 2.0, 7, "ok")
    assert row["storage_bytes"] == 1e8


def test_a_result_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultInvalid, match="lists_pod"):
        write_cases(RunFolder(tmp_path), [{**lists_case("pod", 1.0), "label": "GOOD"}])


def test_published_results_render_into_readme(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert "No results are published yet" in render(home)
    cases = [lists_case("pod", 1.0), lists_case("pickle", 1.0), lists_case("dill", 6.0)]
    publish_cases(RunFolder(tmp_path / "run"), cases, home)
    text = render(home)
    line = next(line for line in text.splitlines() if "| first save |" in line)
    assert "| 1.00 [1.00, 1.00] |" in line
    assert "| 0.17 |" in line
    assert "missed" not in line
    assert text.splitlines()[0].startswith("<!-- results:pod-micro begin")
    history = (home.results / "pod-micro" / "history.jsonl").read_text().splitlines()
    assert len(json.loads(history[0])["rows"]) == 15


def test_a_missed_bound_is_said(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish_cases(RunFolder(tmp_path / "run"), [lists_case("pod", 2.0), lists_case("pickle", 1.0)], home)
    assert "**2.000: missed**" in render(home)


def test_failed_trials_are_not_published(tmp_path: Path) -> None:
    case = case_of(FACTS, ("lists", "pod"), [{"status": "failed", "reason": "why", "round": 1}], None)
    assert case["label"] == "INVALID"
    with pytest.raises(HarnessError, match="failed trials"):
        publish_cases(RunFolder(tmp_path), [case], Home(tmp_path))


@pytest.mark.parametrize(
    "wrong", [{"only": ["no"]}, {"systems": ["no"]}, {"rounds": 0}, {"scale": 0.0}, {"scale": 2.0}]
)
def test_a_wrong_request_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make_plan(**{"only": None, "systems": None, "rounds": 7, "scale": 1.0, **wrong})


@pytest.mark.parametrize("workload", [name for name, each in WORKLOADS.items() if "pickle" in each.systems])
def test_every_session_runs_and_is_compared(workload: str, tmp_path: Path) -> None:
    bench = Bench("pickle", tmp_path, 0.001, verify=True)
    WORKLOADS[workload].run(bench)
    verdict = bench.finish()
    assert verdict["wrong"] == 0
    assert int(str(verdict["checked"])) >= len(bench.samples)
    measured = {bound.what for bound in BOUNDS if bound.workload == workload}
    assert measured <= set(bench.samples)


class Forgetful(FilePerSave):
    """Loads the first version whatever is asked for."""

    def load(self, _version: Version, names: Any = None) -> Any:
        return super().load(1, names)


def test_a_store_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lying = replace(
        MICRO["pickle"], open=lambda folder, _how, _existing: Forgetful("pickle", folder, Pickle())
    )
    monkeypatch.setattr("harness.podmicro._bench.MICRO", {**MICRO, "pickle": lying})
    bench = Bench("pickle", tmp_path, 0.001, verify=True)
    WORKLOADS["lists"].run(bench)
    assert bench.finish()["wrong"] == 2


def test_a_run_interleaves_and_writes_results(tmp_path: Path) -> None:
    said: list[str] = []
    plan = make_plan(["names"], ["pickle", "pod-python"], 2, 0.01)
    run, cases = run_plan(plan, Home(tmp_path), said.append)
    assert [case["status"] for case in cases] == ["ok", "ok"]
    assert [line.split()[-1] for line in said if line.startswith("round")] == [
        "pod-python",
        "pickle",
        "pickle",
        "pod-python",
    ]
    assert all(case["verdict"]["ok"] for case in cases)
    assert {path.stem for path in run.folder.glob("names_*.json")} == {case["id"] for case in cases}
    assert not run.work.exists()


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("round 2") and len(said) < 8:
            raise Stopped

    said: list[str] = []
    plan = make_plan(["names"], ["pickle", "pod-python"], 2, 0.01)
    with pytest.raises(Stopped):
        run_plan(plan, Home(tmp_path), say)
    (folder,) = Home(tmp_path).runs.iterdir()
    run = RunFolder(folder)
    assert plan_of(run) == plan
    first = [path.read_bytes() for path in sorted((folder / "units").iterdir())]
    said = [""] * 8
    _, cases = run_plan(plan_of(run), Home(tmp_path), say, run)
    assert [line for line in said if line.startswith("round 1")] == []
    assert [len(case["trials"]) for case in cases] == [2, 2]
    assert [path.read_bytes() for path in sorted((folder / "units").iterdir())][:1] == first
    with pytest.raises(UsageError, match="another rounds"):
        run_plan(make_plan(["names"], ["pickle", "pod-python"], 3, 0.01), Home(tmp_path), say, run)


@pytest.mark.parametrize(("columns", "width"), [("", 220), ("wide", 220), ("120", 120)])
def test_the_table_is_as_wide_as_columns_says(
    columns: str, width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("harness.podmicro.cli.run_plan", lambda *_: (RunFolder(tmp_path), []))
    monkeypatch.setattr("harness.podmicro.cli.print_table", lambda _, console: widths.append(console.width))
    pod_micro()
    assert widths == [width]
