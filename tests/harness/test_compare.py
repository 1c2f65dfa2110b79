from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.cli import main
from harness.compare import Comparison, as_flat, compare, parse_side, print_comparisons
from harness.durable import write_json
from harness.errors import HarnessError, UsageError
from harness.home import Home
from harness.runs import RunFolder
from tests.harness.result_factory import MACHINE_ID, timed, tmpfs

OTHER_MACHINE = "fedcba987654"
FIVE = [2.00, 2.02, 1.98, 2.01, 1.99]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def publish(home: Home, *cases: dict[str, Any]) -> None:
    for result in cases:
        write_json(home.results / result["suite"] / result["machine_id"] / f"{result['id']}.json", result)


def keep(home: Home, run_id: str, *cases: dict[str, Any]) -> None:
    run = RunFolder(home.runs / run_id)
    run.begin({"suite": "fuse"})
    for result in cases:
        write_json(run.folder / f"{result['id']}.json", result)


def scaled(values: list[float], factor: float) -> list[float]:
    return [value * factor for value in values]


def cold(found: list[Comparison]) -> Comparison:
    (one,) = [comparison for comparison in found if comparison.state == "cold"]
    return one


def change(comparison: Comparison) -> tuple[float, str, bool]:
    assert comparison.change is not None
    return round(comparison.change.ratio, 3), comparison.change.verdict, comparison.change.paired


# --- what is compared with what ------------------------------------------------------------------


def test_systems_of_one_run_are_compared_round_by_round(home: Home) -> None:
    rising = [
        1.0,
        2.0,
        3.0,
        4.0,
        5.0,
        6.0,
    ]  # each round is slower than the last, B always a tenth slower than A
    publish(home, timed("pond", "19GiB", rising), timed("mountpoint", "nocache", scaled(rising, 1.1)))

    found = cold(compare("pond/19GiB", "mountpoint/nocache", home))

    assert change(found) == (1.1, "slower", True)
    assert (found.unit, found.n_first, found.n_second) == ("s", 6, 6)
    assert change(cold(compare("mountpoint-nocache", "19GiB", home))) == (0.909, "faster", True)


def test_pairing_sees_what_independent_samples_would_hide(home: Home) -> None:
    rising = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    publish(
        home,
        timed("pond", "19GiB", rising),
        timed("mountpoint", "nocache", scaled(rising, 1.1), run_id="run-b"),
    )

    assert change(cold(compare("pond/19GiB", "mountpoint/nocache", home))) == (1.1, "not told apart", False)


def test_equal_systems_are_not_told_apart(home: Home) -> None:
    publish(home, timed("pond", "19GiB", FIVE), timed("pond", "2GiB", FIVE[::-1]))

    assert change(cold(compare("pond/19GiB", "pond/2GiB", home)))[1] == "not told apart"


def test_two_runs_share_no_round_and_are_compared_by_their_own_ceilings(home: Home) -> None:
    keep(home, "first", timed("pond", "19GiB", FIVE, run_id="first"), tmpfs([1.0] * 5, run_id="first"))
    keep(
        home,
        "second",
        timed("pond", "19GiB", scaled(FIVE, 3), run_id="second"),
        tmpfs([3.0] * 5, run_id="second"),
    )

    found = compare("first", "second", home)

    pond = next(c for c in found if c.what["system"] == "pond" and c.state == "cold")
    assert change(pond) == (1.0, "not told apart", False)  # the machine was slow, not pond
    assert (pond.unit, round(pond.first, 2), round(pond.second, 2)) == ("x ceiling", 2.0, 2.0)
    ceiling = next(c for c in found if c.what["system"] == "tmpfs" and c.state == "cold")
    assert (ceiling.unit, change(ceiling)) == ("s", (3.0, "slower", False))


def test_without_ceilings_two_runs_are_compared_by_seconds(home: Home) -> None:
    keep(home, "first", timed("pond", "19GiB", FIVE, run_id="first"))
    keep(home, "second", timed("pond", "19GiB", scaled(FIVE, 3), run_id="second"))

    found = cold(compare("first", "second", home))

    assert (found.unit, change(found)) == ("s", (3.0, "slower", False))


def test_machines_are_compared_by_seconds_on_the_same_work(home: Home) -> None:
    there = timed("pond", "19GiB", scaled(FIVE, 0.5), run_id="run-b") | {"machine_id": OTHER_MACHINE}
    ceiling = tmpfs([0.5] * 5, run_id="run-b") | {"machine_id": OTHER_MACHINE}
    publish(home, timed("pond", "19GiB", FIVE), tmpfs([1.0] * 5), there, ceiling)

    found = compare(MACHINE_ID, OTHER_MACHINE, home)

    assert {(c.what["system"], c.unit) for c in found} == {("pond", "s"), ("tmpfs", "s")}
    assert {change(c)[:2] for c in found if c.state == "cold"} == {(0.5, "faster")}


def test_commits_are_looked_for_wherever_they_were_measured(home: Home) -> None:
    old, new = timed("pond", "19GiB", FIVE), timed("pond", "19GiB", scaled(FIVE, 1.5), run_id="run-b")
    for result, commit in ((old, "a" * 40), (new, "b" * 40)):
        result["commit"] = commit
        for trial in result["trials"]:
            trial["commit"] = commit
    publish(home, old)
    keep(home, "run-b", new)

    assert change(cold(compare("aaaaaaa", "bbbbbbb", home)))[:2] == (1.5, "slower")


def test_a_run_is_compared_with_what_is_published(home: Home) -> None:
    publish(home, timed("pond", "19GiB", FIVE))
    keep(home, "20261122T000000Z-aa", timed("pond", "19GiB", scaled(FIVE, 0.8), run_id="20261122T000000Z-aa"))

    assert change(cold(compare("published", "last", home)))[:2] == (0.8, "faster")


def test_a_published_run_needs_not_be_on_this_machine(home: Home) -> None:
    both = timed("pond", "19GiB", FIVE, run_id="20261122T000000Z-aa")
    both["trials"] += timed("pond", "19GiB", scaled(FIVE, 2), run_id="20261123T000000Z-bb")["trials"]
    publish(home, both)

    assert change(cold(compare("20261122T000000Z-aa", "20261123T000000Z-bb", home)))[:2] == (2.0, "slower")


def test_a_side_may_be_narrowed_down(home: Home) -> None:
    publish(home, timed("pond", "19GiB", FIVE))
    keep(
        home,
        "20261122T000000Z-aa",
        timed("pond", "19GiB", scaled(FIVE, 0.5), run_id="20261122T000000Z-aa"),
        timed("pond", "2GiB", scaled(FIVE, 4), run_id="20261122T000000Z-aa"),
    )

    assert change(cold(compare("pond/19GiB@last", "pond/2GiB@last", home))) == (8.0, "slower", True)
    assert change(cold(compare("pond/19GiB@published", "pond/19GiB@last", home)))[:2] == (0.5, "faster")


@pytest.mark.parametrize("other", ["mountpoint/nocache", "rclone/nocache"])
def test_only_the_same_work_on_the_same_data_is_compared(home: Home, other: str) -> None:
    elsewhere = timed("mountpoint", "nocache", FIVE, s3="sim-none")
    smaller = timed("rclone", "nocache", FIVE) | {"scale": "1/256"}
    publish(home, timed("pond", "19GiB", FIVE), elsewhere, smaller)

    with pytest.raises(HarnessError, match="nothing in common"):
        compare("pond/19GiB", other, home)


def test_machines_are_not_mixed_unless_they_are_what_is_compared(home: Home) -> None:
    there = timed("pond", "2GiB", FIVE) | {"machine_id": OTHER_MACHINE}
    publish(home, timed("pond", "19GiB", FIVE), there)

    with pytest.raises(HarnessError, match="nothing in common"):
        compare("pond/19GiB", "pond/2GiB", home)
    assert cold(compare(f"pond/19GiB@{MACHINE_ID}", f"pond/2GiB@{OTHER_MACHINE}", home)).unit == "s"


def test_figures_that_are_not_shown_are_not_compared(home: Home) -> None:
    publish(home, timed("pond", "19GiB", FIVE), timed("pond", "2GiB", FIVE) | {"label": "INVALID"})

    with pytest.raises(HarnessError, match="no figures of pond/2GiB"):
        compare("pond/19GiB", "pond/2GiB", home)


def test_another_suite_can_be_left_out(home: Home) -> None:
    publish(home, timed("pond", "19GiB", FIVE), timed("pond", "2GiB", FIVE) | {"suite": "fuse-peers"})

    assert cold(compare("pond/19GiB", "pond/2GiB", home)).n_first == 5
    with pytest.raises(HarnessError, match="no figures of pond/2GiB"):
        compare("pond/19GiB", "pond/2GiB", home, suite="fuse")


# --- refusals ------------------------------------------------------------------------------------


def test_one_sample_is_refused(home: Home) -> None:
    publish(home, timed("pond", "19GiB", [2.0]), timed("pond", "2GiB", [9.0]))

    with pytest.raises(HarnessError, match="one sample"):
        compare("pond/19GiB", "pond/2GiB", home)


def test_one_sample_beside_others_is_said(home: Home) -> None:
    one_warm = timed("pond", "2GiB", FIVE)
    for trial in one_warm["trials"][1:]:
        trial["epochs"] = trial["epochs"][:1]
    publish(home, timed("pond", "19GiB", FIVE), one_warm)

    warm = next(c for c in compare("pond/19GiB", "pond/2GiB", home) if c.state == "warm")

    assert (warm.change, warm.n_second) == (None, 1)
    assert as_flat(warm)["verdict"] == "one sample"


def test_trials_are_not_compared_with_themselves(home: Home) -> None:
    publish(home, timed("pond", "19GiB", FIVE, run_id="20261122T000000Z-aa"))
    keep(home, "20261122T000000Z-aa", timed("pond", "19GiB", FIVE, run_id="20261122T000000Z-aa"))

    with pytest.raises(HarnessError, match="the same trials"):
        compare("published", "last", home)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("typo", "last", "'typo' names nothing to compare; give a run id, last,"),
        ("pond/3GiB", "last", "'pond/3GiB' names nothing"),
        ("pond/19GiB", "published", "name a system and its config on both sides"),
        ("pond/19GiB@pond/2GiB", "last", "names a system twice"),
        ("published@last", "last", "a run is published or not"),
        ("", "last", "'' names nothing"),
    ],
)
def test_what_cannot_be_meant_is_said(home: Home, first: str, second: str, said: str) -> None:
    keep(home, "20261122T000000Z-aa")

    with pytest.raises(UsageError, match=said):
        compare(first, second, home)


def test_without_any_run_there_is_no_last_one(home: Home) -> None:
    with pytest.raises(UsageError, match="no run on this machine"):
        parse_side("last", home)


# --- the command ---------------------------------------------------------------------------------


def call(home: Home, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("HARNESS_HOME", str(home.folder))
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setattr(sys, "argv", ["harness", "compare", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command_prints_a_verdict_a_line(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(home, timed("pond", "19GiB", FIVE), timed("pond", "2GiB", scaled(FIVE, 2)))

    assert call(home, monkeypatch, "pond/19GiB", "pond/2GiB") == 0
    out = capsys.readouterr().out

    (line,) = [line for line in out.splitlines() if " cold " in line]
    assert "2.000 [2.000, 2.000]" in line
    assert "5 pairs" in line
    assert line.rstrip().endswith("slower")


def test_the_command_prints_json_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(home, timed("pond", "19GiB", FIVE), timed("pond", "2GiB", scaled(FIVE, 2)))

    assert call(home, monkeypatch, "pond/19GiB", "pond/2GiB", "--json") == 0
    rows = json.loads(capsys.readouterr().out)

    assert [(row["state"], row["verdict"], row["paired"], row["n_a"]) for row in rows] == [
        ("cold", "slower", True, 5),
        ("warm", "not told apart", True, 5),
    ]


@pytest.mark.parametrize(("arguments", "code"), [(("typo", "published"), 2), (("19GiB", "2GiB"), 1)])
def test_the_command_fails_in_one_line(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    code: int,
) -> None:
    assert call(home, monkeypatch, *arguments) == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_what_is_relative_is_explained(home: Home) -> None:
    keep(home, "first", timed("pond", "19GiB", FIVE, run_id="first"), tmpfs([1.0] * 5, run_id="first"))
    keep(home, "second", timed("pond", "19GiB", FIVE, run_id="second"), tmpfs([1.0] * 5, run_id="second"))
    out = io.StringIO()

    print_comparisons("first", "second", compare("first", "second", home), Console(file=out, width=150))

    assert "x: times the ceiling of the same round" in out.getvalue()
