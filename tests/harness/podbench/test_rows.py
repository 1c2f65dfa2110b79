from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.home import Home
from harness.podbench._bounds import BASELINES
from harness.podbench._expstat import export_expstat, expstat_of
from harness.podbench._figures import blocked_s, median_load_s
from harness.podbench._published import published_ratio
from harness.podbench._rows import place_of, verdict_text
from harness.podbench.report import as_flat, rows_of
from tests.harness.podbench.factory import podbench_case, trial


def test_blocked_is_the_published_mean() -> None:
    one = trial(saves=(0.2, 0.4), join=0.3, locks=(0.1, 0.2))

    assert blocked_s(one) == pytest.approx(1.2 / 3)


def test_without_a_load_there_is_no_median() -> None:
    one = trial()
    one["warm"]["loads"] = []

    assert (median_load_s(one), median_load_s(one, "cold")) == (None, 0.3)


def test_cold_loads_that_may_not_have_been_cold_have_no_median() -> None:
    one = trial(evicted=False)

    assert (median_load_s(one), median_load_s(one, "cold")) == (0.1, None)


def test_ratios_are_to_the_best_baseline_of_the_same_round() -> None:
    pga = podbench_case("pga", trials=[trial(1, stored=100), trial(2, stored=100), trial(3, stored=100)])
    snp = podbench_case("snp", trials=[trial(1, stored=500), trial(2, stored=600)])
    dill = podbench_case("dill", trials=[trial(1, stored=400), trial(2, stored=900)])
    rows = {row.case["system"]: row for row in rows_of([pga, snp, dill])}

    ratio = rows["pga"].ratios["storage_bytes"]
    assert ratio is not None
    assert (ratio.median, ratio.n) == (5.0, 2)
    own = rows["dill"].ratios["storage_bytes"]
    assert own is not None
    assert own.median == pytest.approx((1 + 600 / 900) / 2)


@pytest.mark.parametrize("other", [{"scale": 0.5}, {"fidelity": "paper"}, {"workload": "skltweet[exc]"}])
def test_what_was_measured_otherwise_is_no_baseline(other: dict[str, object]) -> None:
    rows = rows_of([podbench_case("pga"), podbench_case("snp") | other])

    assert rows[0].ratios["storage_bytes"] is None


def test_what_saves_nothing_is_neither_smaller_nor_shorter() -> None:
    nothing = podbench_case("noop")
    nothing["verdict"] = {"ok": False, "checked": 0, "wrong": 0}
    rows = rows_of([nothing, podbench_case("snp")])

    assert rows[0].ratios["blocked_s"] is None
    assert rows[0].figures["blocked_s"] is not None


def test_other_runs_are_not_paired() -> None:
    rows = rows_of([podbench_case("pga"), podbench_case("snp", trials=[trial(run_id="run-c")])])

    assert rows[0].ratios["storage_bytes"] is None


@pytest.mark.parametrize(
    ("workload", "parameters", "metric", "ratio"),
    [
        ("skltweet", {}, "storage_bytes", 6.563615904 / 0.258629496),
        ("skltweet", {}, "blocked_s", 5.986230834325155 / 1.0420162942674425),
        ("skltweet[exc]", {}, "storage_bytes", None),
        ("nbupdate", {}, "storage_bytes", None),
        ("rmtree[exc]", {"tc": 10, "tv": 100, "tl": 100000, "tml": 0, "tme": 100}, "storage_bytes", None),
    ],
)
def test_the_published_ratio_is_found(
    workload: str, parameters: dict[str, int], metric: str, ratio: float | None
) -> None:
    found = published_ratio(podbench_case("pga", workload, parameters=parameters), BASELINES)

    assert found is not None
    assert found.ratios[metric] > 1
    if ratio is not None:
        assert found.ratios[metric] == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("system", "workload"), [("pod", "skltweet"), ("pga", "rmlist"), ("kishu", "skltweet")]
)
def test_what_was_not_published_has_none(system: str, workload: str) -> None:
    assert published_ratio(podbench_case(system, workload), BASELINES) is None


def test_verdicts_in_words() -> None:
    assert verdict_text(podbench_case(trials=[trial()])) == "4/4"
    assert verdict_text(podbench_case(trials=[trial(wrong=1)])) == "3/4"
    assert verdict_text(podbench_case(trials=[trial()], unsaved={"np": "a module"})) == "4/4, 1 unsaved"
    assert verdict_text(podbench_case(trials=[], status="not_installed")) == "not installed"


def test_flat_rows_show_no_figure_of_invalid_ones() -> None:
    good, bad = podbench_case("pga"), podbench_case("pod", label="INVALID")
    flat = {row["system"]: row for row in map(as_flat, rows_of([good, bad]))}

    assert (flat["pga"]["storage_bytes"], flat["pga"]["blocked_s"], flat["pga"]["n"]) == (
        1000.0,
        pytest.approx(0.2),
        1,
    )
    assert flat["pga"]["storage_bytes_ratio_published"] == pytest.approx(6.563615904 / 0.258629496)
    assert flat["pod"]["storage_bytes"] is None
    assert [bound["holds"] for bound in flat["pga"]["bounds"]] == [True]  # type: ignore[attr-defined]


def test_cases_stand_by_workload_then_as_systems_are_listed() -> None:
    cases = [
        podbench_case("noop", "skltweet"),
        podbench_case("noop", "rmlist"),
        podbench_case("zzz", "rmlist"),
    ]

    assert [(c["name"], c["system"]) for c in sorted(cases, key=place_of)] == [
        ("rmlist", "noop"),
        ("rmlist", "zzz"),
        ("skltweet", "noop"),
    ]


def test_expstat_has_the_published_names() -> None:
    stat = expstat_of(trial(locks=(0.1,), behind=(5, 6)))

    assert set(stat) == {
        "dumps",
        "loads",
        "dump_sum_t_s",
        "load_sum_t_s",
        "async_dumps",
        "async_dump_sum_t_s",
        "exec_times",
        "lock_times",
        "join_times",
    }
    assert stat["dump_sum_t_s"] == pytest.approx(0.6)
    assert stat["load_sum_t_s"] == pytest.approx(0.3)
    assert stat["async_dump_sum_t_s"] == 1.0
    assert set(stat["dumps"][0]) == {"nth", "time_s", "storage_b"}
    assert set(stat["loads"][0]) == {"nth", "tid", "time_s", "load_b"}


def test_expstat_files_are_called_as_the_published_ones(tmp_path: Path) -> None:
    rounds = [trial(1), trial(2)]
    cases = [
        podbench_case("pga", "skltweet[exc]", rounds),
        podbench_case("noop", "skltweet[n=7]", rounds, repetition=7),
        podbench_case("noop", "rmtree[tc=10][exc]"),
        podbench_case("snp", trials=[], status="failed"),
    ]
    written = export_expstat(cases, tmp_path, {"rmtree[tc=10][exc]": "rmtree[exc][tc=1e1]"})

    assert [str(path.relative_to(tmp_path)) for path in written] == [
        "exp1_pga_skltweet[exc]/expstat.json",
        "exp1_pga_skltweet[exc][n=0]/expstat.json",
        "exp1_pga_skltweet[exc][n=1]/expstat.json",
        "exp1_noop_skltweet[n=7]/expstat.json",
        "exp1_noop_rmtree[exc][tc=1e1]/expstat.json",
    ]
    assert all(path.is_file() for path in written)


def test_two_trials_are_never_written_to_one_file(tmp_path: Path) -> None:
    cases = [
        podbench_case("pga", "skltweet", [trial(1), trial(2)]),
        podbench_case("pga", "skltweet[n=1]", repetition=1),
    ]
    with pytest.raises(UsageError, match=r"exp1_pga_skltweet\[n=1\] would be a round and an \[n=K\]"):
        export_expstat(cases, tmp_path, {})

    assert list(tmp_path.iterdir()) == []


def test_nothing_published_is_said(tmp_path: Path) -> None:
    from harness.podbench.report import render

    assert "No results are published yet" in render(Home(tmp_path))
