from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from harness.results import frame_of
from harness.summary import Row, as_flat, rows_of
from harness.table import print_table
from tests.harness.result_factory import BYTES, FILES, case, timed, tmpfs, trial


def row_of(rows: list[Row], system: str, state: str = "cold", s3: str = "sim-aws") -> Row:
    (found,) = [
        row
        for row in rows
        if (row.case["system"], row.state, row.case["params"]["s3"]) == (system, state, s3)
    ]
    return found


def test_the_figure_is_the_median_of_ratios_not_the_ratio_of_medians() -> None:
    pond = timed("pond", "19GiB", [2.0, 30.0, 4.0])
    cold = row_of(rows_of([pond, tmpfs([1.0, 10.0, 1.0])]), "pond")

    assert cold.ratio is not None
    assert cold.ratio.median == pytest.approx(3.0)  # of 2, 3, 4; the medians' ratio would be 4
    assert cold.ratio.n == 3


def test_another_run_of_tmpfs_is_not_compared_with() -> None:
    rows = rows_of([case(), tmpfs([1.0] * 7, run_id="run-b")])

    assert [row.ratio for row in rows if row.case["system"] == "pond"] == [None, None]


def test_two_machines_results_of_one_case_are_kept_apart() -> None:
    here, there = timed("pond", "19GiB", [2.0, 2.0]), timed("pond", "19GiB", [9.0, 9.0])
    there["machine_id"] = "f" * 12
    rows = [row for row in rows_of([here, there]) if row.state == "cold"]

    assert [(row.seconds.median, row.seconds.n) for row in rows if row.seconds] == [(2.0, 2), (9.0, 2)]


def test_a_flat_row_has_the_fields_of_show() -> None:
    flat = as_flat(rows_of([case(), tmpfs([1.0] * 7)])[0])
    promised = (
        "suite system config access state hinted mode scale median_s n ratio_to_tmpfs s3_requests bytes_fetched "
        "bytes_needed amplification verdict label commit min_s max_s warnings bound_by bound_shares"
    )

    assert set(promised.split()) <= flat.keys()
    assert (flat["median_s"], flat["ratio_to_tmpfs"], flat["n"]) == (2.0, 2.0, 7)
    assert (flat["s3_requests"], flat["amplification"], flat["verdict"]) == (41.0, 1.0, "ok")


def test_a_flat_row_says_how_many_pairs_its_ratios_rest_on() -> None:
    baseline = timed("mountpoint", "nocache", [8.0] * 2)
    flat = as_flat(row_of(rows_of([timed("pond", "19GiB", [2.0] * 5), baseline, tmpfs([1.0] * 3)]), "pond"))
    alone = as_flat(row_of(rows_of([case()]), "pond"))

    assert [flat[name] for name in ("n", "pairs", "pairs_with_baseline")] == [5, 3, 2]
    assert [alone[name] for name in ("n", "pairs", "pairs_with_baseline")] == [7, 0, 0]


def test_an_invalid_case_shows_no_figure() -> None:
    wrong = case() | {"label": "INVALID"}
    flat = as_flat(rows_of([wrong, tmpfs([1.0] * 7)])[0])

    figures = (
        "median_s", "median_s_low", "min_s", "max_s", "ratio_to_tmpfs", "total_ratio_to_tmpfs", "s3_requests", "s3_gets",
        "bytes_fetched", "amplification", "bound_by", "bound_shares",
    )  # fmt: skip
    assert [flat[name] for name in figures] == [None] * len(figures)
    assert flat["warnings"] == []
    assert flat["pairs"] == 0


def test_an_invalid_ceiling_is_nothing_to_compare_with() -> None:
    assert row_of(rows_of([case(), tmpfs([1.0] * 7) | {"label": "INVALID"}]), "pond").ratio is None


def test_a_trial_whose_verdict_failed_gives_no_time() -> None:
    paper = timed("pond", "19GiB", [2.0, 3.0, 50.0])
    paper["params"]["fidelity"] = "paper"
    paper["trials"][2]["epochs"][0]["verdict"] = {"ok": False, "checked": FILES, "wrong": 7}
    rows = rows_of([paper])

    cold = row_of(rows, "pond")
    assert cold.seconds is not None
    assert (cold.seconds.n, cold.seconds.maximum) == (2, 3.0)
    assert cold.verdict == "7 wrong"
    assert cold.gets == 40  # what it asked for is no time
    frame = frame_of([paper])
    wrong = frame[(frame["round"] == 3) & (frame["state"] == "cold")]
    assert not [name for name in wrong["sample"] if name.endswith("_s") or name.startswith("cpu_s.")]
    assert "s3.get" in set(wrong["sample"])


def test_the_verdict_of_a_row_is_that_of_the_trials_that_were_compared() -> None:
    def verdict(*answers: tuple[bool, int, int]) -> str:
        result = case()
        for one, (ok, checked, wrong) in zip(result["trials"], answers, strict=True):
            for epoch in one["epochs"]:
                epoch["verdict"] = {"ok": ok, "checked": checked, "wrong": wrong}
        (row, _) = rows_of([result])
        return row.verdict

    unchecked, fine, bad = (False, 0, 0), (True, FILES, 0), (False, FILES, 2)
    assert verdict(unchecked, fine, *[unchecked] * 5) == "ok"
    assert verdict(*[unchecked] * 7) == "unchecked"
    assert verdict(fine, unchecked, bad, *[unchecked] * 4) == "2 wrong"


def test_unsteady_times_and_noisy_rounds_are_warned_of() -> None:
    unsteady = timed("pond", "19GiB", [2.0, 2.0, 2.1, 2.0, 9.0])
    unsteady["trials"][1]["noisy"] = True
    rows = rows_of([unsteady])

    warnings = as_flat(row_of(rows, "pond"))["warnings"]
    assert warnings == [
        "unstable: the standard deviation is 91% of the mean",
        "unstable: the maximum is 163% above the mean",
        "outliers: 1 of 5 samples lie beyond 1.5 interquartile ranges",
        "other processes took more than their share of the CPU in 1 of 5 rounds",
    ]
    assert as_flat(row_of(rows, "pond", "warm"))["warnings"] == warnings[3:]


# --- the ladder ----------------------------------------------------------------------------------


SHARES = {"loader": 0.3333, "fuse": 0.0333, "cpu": 0.0667, "s3-latency": 0.5667}


def ladder(*, gets: int = FILES, config: str = "2GiB") -> list[dict[str, Any]]:
    """tmpfs 1.0, null FUSE 1.1, pond without a network 1.3, pond 3.0."""
    return [
        tmpfs([10.0] * 5),
        timed("null", "memory", [11.0] * 5, gets=None, warm_s=11.0),
        timed("pond", config, [13.0] * 5, gets=gets, s3="sim-none", warm_s=11.5),
        timed("pond", config, [30.0] * 5, gets=gets, warm_s=11.5),
    ]


def test_a_row_is_bound_by_the_largest_step_of_its_ladder() -> None:
    flat = as_flat(row_of(rows_of(ladder()), "pond"))

    assert flat["bound_by"] == "s3-latency"
    assert flat["bound_shares"] == SHARES


def test_few_large_requests_are_bound_by_bandwidth() -> None:
    assert as_flat(row_of(rows_of(ladder(gets=10)), "pond"))["bound_by"] == "bandwidth"


def test_bytes_that_the_cache_forgot_are_bound_by_the_cache() -> None:
    cases = ladder()
    for one in cases[3]["trials"]:
        one["epochs"][1]["samples"]["epoch_s"] = 30.0
        one["epochs"][1]["s3"] |= {"get": FILES, "bytes": BYTES}

    assert as_flat(row_of(rows_of(cases), "pond", "warm"))["bound_by"] == "cache"


def test_warm_in_full_is_bound_by_the_loader() -> None:
    flat = as_flat(row_of(rows_of(ladder()), "pond", "warm"))

    assert flat["bound_by"] == "cpu"
    assert flat["bound_shares"] == {"loader": 0.8696, "fuse": 0.0870, "cpu": 0.0435, "s3-latency": 0.0}


def test_every_rung_has_a_place_but_the_lowest() -> None:
    rows = rows_of(ladder())

    assert row_of(rows, "tmpfs").bound is None
    null = row_of(rows, "null").bound
    assert null is not None
    assert (null.by, null.unknown) == ("cpu", pytest.approx(0.0))
    no_network = row_of(rows, "pond", s3="sim-none").bound
    assert no_network is not None
    assert (no_network.by, no_network.unknown) == ("cpu", pytest.approx(0.0))


def test_without_the_rungs_only_what_is_certain_is_said() -> None:
    lower, _, _, row = ladder()

    undecided = row_of(rows_of([lower, row]), "pond")
    assert undecided.bound is not None
    assert undecided.bound.by is None
    near = timed("pond", "19GiB", [11.0] * 5)
    assert as_flat(row_of(rows_of([lower, near]), "pond"))["bound_by"] == "cpu"


def test_rungs_of_another_run_count_by_their_own_ceiling() -> None:
    cases = ladder()
    again = timed(
        "null", "memory", [33.0] * 5, run_id="run-b", gets=None
    )  # a slow day: tmpfs took three times as long
    slow = tmpfs([30.0] * 5, run_id="run-b")
    cases[0]["trials"] += slow["trials"]
    cases[1]["trials"] = again["trials"]

    assert as_flat(row_of(rows_of(cases), "pond"))["bound_shares"] == SHARES


def test_a_ceiling_serves_every_network() -> None:
    rows = rows_of(ladder())

    assert [row.ratio.median for row in rows if row.ratio and row.state == "cold"] == [1.0, 1.1, 1.3, 3.0]


# --- hinted --------------------------------------------------------------------------------------


def test_hinted_rows_are_not_held_against_unhinted_ones() -> None:
    hinted = timed("pond", "2GiB", [2.0] * 5) | {"hinted": True, "id": "hinted"}
    baseline = timed("mountpoint", "nocache", [8.0] * 5)
    rows = rows_of([hinted, timed("pond", "19GiB", [4.0] * 5), baseline, tmpfs([1.0] * 5)])

    told, untold = (row for row in rows if row.case["system"] == "pond" and row.state == "cold")
    assert told.versus_baseline is None
    assert told.ratio is not None
    assert untold.versus_baseline is not None
    assert untold.versus_baseline.median == 0.5


# --- the table -----------------------------------------------------------------------------------


def printed(cases: list[dict[str, Any]], width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    print_table(cases, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_wide_table_says_everything_in_one_line_a_row() -> None:
    text = printed(ladder(), 150)

    (line,) = [line for line in text.splitlines() if line.startswith(" pond 2GiB") and "30.00" in line]
    for part in (
        "30.00 [30.00, 30.00]",
        "30.00–30.00",
        "3.00 [3.00, 3.00]",
        "1,001",
        "s3-latency 57%",
        "ok",
        "CLOSED",
    ):
        assert part in line


@pytest.mark.parametrize("width", [80, 100, 150])
def test_a_table_fits(width: int) -> None:
    text = printed(ladder(), width)

    assert max(len(line) for line in text.splitlines() if not line.startswith("fuse: scale")) <= width
    assert text.count("CLOSED") == 8
    assert "30.00" in text
    assert ("bound by" in text) is (width >= 95)


def test_every_s3_and_the_hinted_have_a_table_of_their_own() -> None:
    hinted = case() | {"hinted": True, "id": "hinted"}
    titles = [
        line for line in printed([*ladder(), hinted], 150).splitlines() if line.startswith("fuse: scale")
    ]

    assert all("decode, 4 workers, batch_size 16, torch's DataLoader; S3" in title for title in titles)
    assert [title.rpartition("S3 ")[2].strip() for title in titles] == [
        "sim-aws", "sim-none", "sim-aws; hinted: these systems were told the order",
    ]  # fmt: skip


def test_reasons_warnings_and_what_is_missing_stand_below() -> None:
    unsteady = timed("pond", "2GiB", [2.0, 2.0, 2.0, 2.0, 9.0]) | {
        "label": "OPEN",
        "label_reasons": ["n = 5 < 7"],
    }
    missing = [
        case("mountpoint", config, trials=[]) | {"status": "not_installed", "reason": "make peers"}
        for config in ("disk", "nocache")
    ]
    lines = printed([unsteady, *missing], 150).splitlines()

    assert "pond 2GiB random: OPEN: n = 5 < 7" in lines
    assert lines.count("mountpoint: not installed: make peers") == 1
    assert any(
        line.startswith(
            "! pond 2GiB random cold: unstable: the standard deviation is 92% of the mean; unstable: the maximum"
        )
        for line in lines
    )
    assert any(line.startswith(" pond 2GiB") and " 5! " in line for line in lines)


def test_an_invalid_row_has_no_figure_in_the_table() -> None:
    wrong = timed("pond", "2GiB", [7.77] * 5) | {"label": "INVALID", "label_reasons": ["bytes not verified"]}
    text = printed([wrong, tmpfs([1.0] * 5)], 150)

    assert "7.77" not in text
    assert "INVALID: bytes not verified" in text


def test_a_row_without_trials_says_its_status() -> None:
    failed = case(trials=[]) | {"status": "failed", "reason": "round 1: no mount", "label": "INVALID"}

    assert "failed" in printed([failed, tmpfs([1.0])], 80)


def test_trials_may_come_in_any_order() -> None:
    ordered = timed("pond", "2GiB", [2.0, 3.0, 4.0])
    shuffled = case("pond", "2GiB", trials=[trial(n, n + 1.0, 1.0, gets=40) for n in (3, 1, 2)])

    assert as_flat(rows_of([ordered])[0]) == as_flat(rows_of([shuffled])[0])
