from __future__ import annotations

import io

from rich.console import Console

from harness.progress import Remaining, RunProgress, duration


def test_durations_are_written_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (0.4, 89, 90, 5_399, 7_500)] == [
        "0 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "2 h 05 min",
    ]


def test_what_is_left_is_told_by_earlier_rounds_then_by_the_forecast_then_by_the_others() -> None:
    remaining = Remaining({"slow": 100.0})
    remaining.add(["slow", "slow", "quick", "quick", "unknown"])
    assert remaining.seconds() == 500.0

    remaining.took("quick", 10.0)

    assert remaining.seconds() == 2 * 100.0 + 10.0 + 10.0


def test_nothing_is_foretold_from_nothing() -> None:
    remaining = Remaining()
    remaining.add(["a"])

    assert remaining.seconds() is None


def test_two_at_once_take_half_the_time() -> None:
    remaining = Remaining({"a": 10.0}, at_once=2)
    remaining.add(["a"] * 4)

    assert remaining.seconds() == 20.0


def test_without_a_terminal_each_trial_is_two_lines() -> None:
    text = io.StringIO()
    with RunProgress(Console(file=text, width=200), Remaining({"a": 60.0})) as progress:
        progress.expect(["a", "a"], done=2)
        progress.started("round 2 random: pond 2GiB")
        progress.finished("a", 30.0, "cold 3.00 s; warm 2.00 s")
        progress.again(["a"])
        progress.started("round 2 random: pond 2GiB")

    assert text.getvalue().splitlines() == [
        "[3/4, 2 min left] round 2 random: pond 2GiB",
        "    cold 3.00 s; warm 2.00 s",
        "[3/4, 60 s left] round 2 random: pond 2GiB",
    ]


def test_on_a_terminal_the_bar_has_the_case_the_time_left_and_the_last_figure() -> None:
    text = io.StringIO()
    console = Console(file=text, width=200, force_terminal=True)
    with RunProgress(console, Remaining({"a": 60.0})) as progress:
        progress.expect(["a", "a"], done=0)
        progress.started("round 1 random: pond 2GiB")
        progress.finished("a", 30.0, "cold 3.00 s")
        progress.started("round 2 random: pond 2GiB")

    shown = text.getvalue()
    assert "round 2 random: pond 2GiB" in shown
    assert "30 s left" in shown
    assert "last: cold 3.00 s" in shown
