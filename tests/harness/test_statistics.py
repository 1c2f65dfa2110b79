from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import Change, change_of, estimate, paired_change, paired_ratios, warnings_of

seconds = st.integers(1, 10_000).map(lambda hundredths: hundredths / 100)


def every_median(values: list[float]) -> np.ndarray:
    """The medians of all n to the n resamples, one by one."""
    drawn = np.array(list(itertools.product(values, repeat=len(values))))
    return np.sort(np.median(drawn, axis=1))


def percentiles(resamples: np.ndarray, n: int) -> tuple[float, float]:
    """The expanded percentiles, by their definition."""
    tail = stats.norm.cdf(math.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1))
    skipped = math.ceil(tail * len(resamples)) - 1
    return float(resamples[skipped]), float(resamples[len(resamples) - 1 - skipped])


# --- a median and its interval -------------------------------------------------------------------


@given(st.lists(seconds, min_size=2, max_size=5))
def test_an_interval_is_what_all_resamples_give(values: list[float]) -> None:
    found = estimate(values)

    assert found is not None
    assert found.median == pytest.approx(float(np.median(values)))
    assert (found.low, found.high) == pytest.approx(percentiles(every_median(values), len(values)))


@pytest.mark.parametrize("n", [7, 8, 12, 15, 30])
def test_an_interval_is_what_many_drawn_resamples_give(n: int) -> None:
    generator = np.random.default_rng(n)
    values = generator.lognormal(0, 0.2, n)
    drawn = np.sort(np.median(values[generator.integers(0, n, (200_000, n))], axis=1))
    low, high = percentiles(drawn, n)

    found = estimate(list(values))

    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.02)


@given(st.lists(seconds, min_size=2, max_size=25), st.randoms(use_true_random=False), st.floats(0.1, 10))
def test_an_interval_lies_in_the_range_holds_the_median_and_follows_the_unit(
    values: list[float], random: Random, unit: float
) -> None:
    found = estimate(values)
    shuffled = list(values)
    random.shuffle(shuffled)
    again, scaled = estimate(shuffled), estimate([value * unit for value in values])

    assert found is not None
    assert found == again
    assert (found.minimum, found.maximum, found.n) == (min(values), max(values), len(values))
    assert found.low is not None
    assert found.high is not None
    assert found.minimum <= found.low <= found.median <= found.high <= found.maximum
    assert scaled is not None
    assert (scaled.low, scaled.median, scaled.high) == pytest.approx(
        (found.low * unit, found.median * unit, found.high * unit)
    )


def test_one_sample_has_no_interval_and_none_has_no_estimate() -> None:
    single = estimate([2.5])

    assert single is not None
    assert (single.median, single.low, single.high, single.n) == (2.5, None, None, 1)
    assert estimate([]) is None


@pytest.mark.parametrize("n", [6, 7, 9, 10, 11, 15])
@pytest.mark.parametrize("noise", ["lognormal", "uniform", "exponential"])
def test_an_interval_covers_the_true_median(n: int, noise: str) -> None:
    generator = np.random.default_rng([n, len(noise)])
    draw = {
        "lognormal": lambda: generator.lognormal(0.0, 0.3, n),
        "uniform": lambda: generator.uniform(0.5, 1.5, n),
        "exponential": lambda: generator.exponential(1 / math.log(2), n),
    }[noise]
    tries = 1500
    hits = 0
    for _ in range(tries):
        found = estimate(list(draw()))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1.0 <= found.high

    # 0.935 at n = 11, where one step of the samples is 5 %, else more; less two standard errors of the simulation
    assert hits / tries >= 0.92


def test_below_six_samples_even_the_range_covers_less_than_it_says() -> None:
    generator = np.random.default_rng(5)
    samples = generator.lognormal(0.0, 0.3, (4000, 5))
    found = [estimate(list(values)) for values in samples]

    assert all(e is not None and (e.low, e.high) == (e.minimum, e.maximum) for e in found)
    covered = np.mean([e is not None and e.minimum <= 1 <= e.maximum for e in found])
    assert covered == pytest.approx(1 - 2**-4, abs=0.012)


# --- ratios and verdicts -------------------------------------------------------------------------


def test_ratios_join_only_equal_run_and_round() -> None:
    above = {("a", 1): 3.0, ("a", 2): 4.0, ("b", 1): 100.0, ("a", 9): 7.0}
    below = {("a", 1): 2.0, ("a", 2): 2.0, ("c", 1): 1.0}

    assert paired_ratios(above, below) == [1.5, 2.0]


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=5))
def test_few_pairs_have_to_satisfy_student_too(ratios: list[float]) -> None:
    found = paired_change(ratios)
    low, high = percentiles(every_median(ratios), len(ratios))
    logs = np.log(ratios)
    reach = stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs)

    assert found.ratio == pytest.approx(float(np.median(ratios)))
    assert found.low == pytest.approx(min(low, math.exp(logs.mean() - reach)))
    assert found.high == pytest.approx(max(high, math.exp(logs.mean() + reach)))
    assert found.low <= found.ratio <= found.high


def test_from_six_pairs_on_the_bootstrap_decides() -> None:
    ratios = [1.02, 1.01, 1.03, 1.02, 1.04, 9.0]  # an outlier keeps Student from saying anything
    found, alone = paired_change(ratios), estimate(ratios)

    assert alone is not None
    assert (found.low, found.high) == (alone.low, alone.high)
    assert found.verdict == "slower"


@given(st.lists(seconds, min_size=2, max_size=3), st.lists(seconds, min_size=2, max_size=3))
def test_independent_samples_give_what_all_resamples_of_both_give(
    first: list[float], second: list[float]
) -> None:
    both = np.sort(np.divide.outer(every_median(second), every_median(first)).ravel())
    low, high = percentiles(both, min(len(first), len(second)))
    welch = _welch(first, second)
    found = change_of(first, second)

    assert found.ratio == pytest.approx(float(np.median(second) / np.median(first)))
    assert found.low == pytest.approx(min(low, welch[0]))
    assert found.high == pytest.approx(max(high, welch[1]))


def _welch(first: list[float], second: list[float]) -> tuple[float, float]:
    a, b = np.log(first), np.log(second)
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    spread = va + vb
    freedom = spread**2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)) if spread else 1.0
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(spread)
    return math.exp(b.mean() - a.mean() - reach), math.exp(b.mean() - a.mean() + reach)


@given(st.lists(seconds, min_size=2, max_size=12), st.lists(seconds, min_size=2, max_size=12))
def test_turned_round_faster_is_slower(first: list[float], second: list[float]) -> None:
    there, back = change_of(first, second), change_of(second, first)
    turned = {"faster": "slower", "slower": "faster", "not told apart": "not told apart"}

    assert back.verdict == turned[there.verdict]
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))


@pytest.mark.parametrize("n", [2, 3, 5, 6, 7, 11, 12])
@pytest.mark.parametrize("paired", [True, False])
def test_equals_are_seldom_told_apart(n: int, paired: bool) -> None:
    generator = np.random.default_rng([n, paired])
    tries = 1200
    wrong = 0
    for _ in range(tries):
        first, second = generator.lognormal(0, 0.1, n), generator.lognormal(0, 0.1, n)
        found = paired_change(list(second / first)) if paired else change_of(list(first), list(second))
        wrong += found.verdict != "not told apart"

    assert wrong / tries <= 0.08  # 0.065 at n = 11, else less; and two standard errors of the simulation


@pytest.mark.parametrize("n", [3, 5, 7])
@pytest.mark.parametrize("paired", [True, False])
def test_half_as_long_again_is_told_apart(n: int, paired: bool) -> None:
    generator = np.random.default_rng(n)
    tries = 200
    right = 0
    for _ in range(tries):
        first, second = generator.lognormal(0, 0.03, n), 1.5 * generator.lognormal(0, 0.03, n)
        found = paired_change(list(second / first)) if paired else change_of(list(first), list(second))
        right += found.verdict == "slower"

    assert right / tries >= 0.95


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_sample_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="two samples"):
        paired_change(values)
    with pytest.raises(ValueError, match="two samples"):
        change_of(values, [1.0, 2.0])
    with pytest.raises(ValueError, match="two samples"):
        change_of([1.0, 2.0], values)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.8, 0.99, "faster"),
        (1.01, 1.2, "slower"),
        (0.99, 1.01, "not told apart"),
        (1.0, 1.2, "not told apart"),
    ],
)
def test_a_verdict_needs_an_interval_without_1(low: float, high: float, verdict: str) -> None:
    assert Change(1.0, low, high, 7, paired=True).verdict == verdict


# --- warnings ------------------------------------------------------------------------------------


def test_steady_samples_have_no_warning() -> None:
    assert warnings_of([1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01]) == []
    assert warnings_of([1.0]) == []


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ([1.0, 1.2, 0.8, 1.1, 0.9], "unstable: the standard deviation is 16% of the mean"),
        ([1.0, 1.0, 1.0, 1.0, 2.0], "unstable: the maximum is 67% above the mean"),
        ([1.0, 1.0, 1.0, 1.0, 0.3], "unstable: the minimum is 65% below the mean"),
        (
            [1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.20],
            "outliers: 1 of 7 samples lie beyond 1.5 interquartile ranges",
        ),
    ],
)
def test_what_is_hard_to_trust_is_said(values: list[float], warning: str) -> None:
    assert warning in warnings_of(values)


def test_four_samples_have_no_quartiles_to_speak_of() -> None:
    assert warnings_of([1.0, 1.0, 1.0, 1.05]) == []
