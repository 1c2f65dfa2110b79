from __future__ import annotations

import pytest

from harness.statistics import estimate, paired_ratios
from harness.summary import as_flat, rows_of
from tests.harness.result_factory import case, tmpfs, trial


def test_ratios_join_only_equal_run_and_round() -> None:
    above = {("a", 1): 3.0, ("a", 2): 4.0, ("b", 1): 100.0, ("a", 9): 7.0}
    below = {("a", 1): 2.0, ("a", 2): 2.0, ("c", 1): 1.0}

    assert paired_ratios(above, below) == [1.5, 2.0]


def test_the_figure_is_the_median_of_ratios_not_the_ratio_of_medians() -> None:
    pond = case(trials=[trial(n, s, s, gets=40) for n, s in enumerate([2.0, 30.0, 4.0], 1)])
    rows = rows_of([pond, tmpfs([1.0, 10.0, 1.0])])

    cold = next(row for row in rows if row.case["system"] == "pond" and row.state == "cold")

    assert cold.ratio is not None
    assert cold.ratio.median == pytest.approx(3.0)  # of 2, 3, 4; the medians' ratio would be 4
    assert cold.ratio.n == 3


def test_an_interval_is_the_same_each_time_and_holds_the_median() -> None:
    values = [1.1, 1.0, 1.3, 1.2, 1.05, 1.15, 1.08]
    first, second = estimate(values), estimate(list(values))

    assert first == second
    assert first is not None
    assert first.low is not None
    assert first.high is not None
    assert 1.0 <= first.low <= first.median <= first.high <= 1.3
    assert first.median == pytest.approx(1.1)


def test_one_sample_has_no_interval_and_none_has_no_estimate() -> None:
    single = estimate([2.5])

    assert single is not None
    assert (single.median, single.low, single.high, single.n) == (2.5, None, None, 1)
    assert estimate([]) is None


def test_another_run_of_tmpfs_is_not_compared_with() -> None:
    rows = rows_of([case(), tmpfs([1.0] * 7, run_id="run-b")])

    assert [row.ratio for row in rows if row.case["system"] == "pond"] == [None, None]


def test_a_flat_row_has_the_fields_of_show() -> None:
    flat = as_flat(rows_of([case(), tmpfs([1.0] * 7)])[0])
    promised = (
        "suite system config access state hinted mode scale median_s n ratio_to_tmpfs s3_requests bytes_fetched "
        "bytes_needed amplification verdict label commit"
    )

    assert set(promised.split()) <= flat.keys()
    assert (flat["median_s"], flat["ratio_to_tmpfs"], flat["n"]) == (2.0, 2.0, 7)
    assert (flat["s3_requests"], flat["amplification"], flat["verdict"]) == (41.0, 1.0, "ok")


def test_an_invalid_case_shows_no_figure() -> None:
    wrong = case() | {"label": "INVALID"}
    flat = as_flat(rows_of([wrong, tmpfs([1.0] * 7)])[0])

    figures = ("median_s", "ratio_to_tmpfs", "s3_requests", "bytes_fetched", "amplification")
    assert [flat[name] for name in figures] == [None] * len(figures)
