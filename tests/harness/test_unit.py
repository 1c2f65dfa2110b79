"""Which attempt at a round is kept, which trials compare bytes, and that a stop leaves nothing."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness import dispatch, unit
from harness.dispatch import Outcome
from harness.ground import Ground
from harness.identity import spec_of_result
from harness.leftovers import NAME, clear_tree
from harness.runs import RunFolder
from harness.slot import Slot
from harness.spec import CaseSpec, TrialSpec
from harness.stopping import stoppable
from harness.unit import UnitOrder, other_cpu_share, run_unit, verified_in
from tests.harness.result_factory import tmpfs

TMPFS = spec_of_result(tmpfs([1.0]))
CASES = (TMPFS, replace(TMPFS, config="other"))


class Silent:
    def say(self, text: str) -> None: ...
    def started(self, text: str) -> None: ...
    def finished(self, case: str, seconds: float, text: str) -> None: ...
    def again(self, cases: Sequence[str]) -> None: ...


def measured(case: CaseSpec, busy: float | None, *, verdict: bool = False) -> Outcome:
    """Return what a trial came to: others took `busy` of the processors, or None: it failed."""
    if busy is None:
        return Outcome(case.id, "timeout", "no result after 1 s", None)
    samples = {"other_cpu_s": busy, "cpu_capacity_s": 1.0, "epoch_s": 1.0}
    answer = {"ok": True, "checked": 1, "wrong": 0} if verdict else None
    epochs = [{"state": "cold", "samples": samples, "s3": None}]
    return Outcome(case.id, "ok", None, {"epochs": epochs, "verdict": answer})


def order_of(**change: Any) -> UnitOrder:
    order = UnitOrder("run-a", "random-decode", 2, CASES, 42, 1.0, 0.05, 2, None)
    return replace(order, **change)


def ground_at(folder: Path, slot: Slot) -> Ground:
    ground = SimpleNamespace(
        write_digests=lambda path: None,
        server=None,
        dataset=SimpleNamespace(folder=str(folder), bytes=1),
        urls={},
        probe_port=None,
        cpus=(0,),
        environment={},
        slot=slot,
    )
    return cast("Ground", ground)


def run(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    attempts: Sequence[Sequence[float | None]],
    order: UnitOrder | None = None,
    slot: Slot | None = None,
) -> tuple[Mapping[str, Any], list[TrialSpec]]:
    """Run a unit whose attempts come to what is given, and return it with the trials' orders."""
    answers = iter([busy for attempt in attempts for busy in attempt])
    asked: list[TrialSpec] = []

    def trial(spec: TrialSpec, *_: object) -> Outcome:
        asked.append(spec)
        return measured(spec.case, next(answers), verdict=spec.twin)

    monkeypatch.setattr(unit, "run_trial", trial)
    kept = run_unit(ground_at(folder, slot or Slot()), order or order_of(), RunFolder(folder), Silent())
    assert next(answers, "none left") == "none left"
    return kept, asked


def test_an_attempt_without_a_failure_is_kept_before_a_quieter_one_with_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept, _ = run(monkeypatch, tmp_path, [[0.3, 0.3], [0.2, None], [0.4, 0.4]])

    assert (kept["other_cpu_share"], kept["attempts"], kept["noisy"]) == (0.3, 3, True)
    assert [outcome["status"] for outcome in kept["outcomes"]] == ["ok", "ok"]


def test_of_attempts_with_as_many_failures_the_quietest_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept, _ = run(monkeypatch, tmp_path, [[0.3, 0.3], [0.2, 0.2], [0.4, 0.4]])

    assert kept["other_cpu_share"] == 0.2


def test_an_attempt_that_came_to_nothing_is_not_the_quietest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept, _ = run(monkeypatch, tmp_path, [[0.3, 0.3], [None, None]])

    assert kept["other_cpu_share"] == 0.3
    assert other_cpu_share([measured(TMPFS, None)]) is None


def test_a_round_in_which_everything_failed_has_no_share_and_is_no_noise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept, _ = run(monkeypatch, tmp_path, [[None, None]])

    assert (kept["other_cpu_share"], kept["attempts"], kept["noisy"]) == (None, 1, False)


def test_neighbours_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone, _ = run(monkeypatch, tmp_path, [[0.0, 0.0]])
    beside, _ = run(monkeypatch, tmp_path, [[0.0, 0.0]], slot=Slot(1, 3))

    assert [(one["neighbours"], one["noisy"]) for one in (alone, beside)] == [(0, False), (2, True)]


def test_bytes_are_compared_until_they_were(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept, asked = run(monkeypatch, tmp_path, [[0.0, None]])
    assert [spec.twin for spec in asked] == [True, True]  # in any round, if it is the first that succeeds
    verified = verified_in(kept)
    assert len(verified) == 1

    again = order_of(round=3, verified=tuple(verified))
    _, asked = run(monkeypatch, tmp_path, [[0.0, 0.0]], again)

    assert {spec.case.id: spec.twin for spec in asked} == {
        spec.case.id: spec.case.id not in verified for spec in asked
    }
    assert sorted(spec.twin for spec in asked) == [False, True]


def test_a_stop_while_a_trial_clears_up_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place, before = RunFolder(tmp_path), [clear_tree]

    def cut_short(folder: Path) -> None:
        if before:
            before.pop()(folder)
        else:
            assert list(folder.glob(f"*/{NAME}")) != []
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(dispatch, "clear_tree", cut_short)
    place.prepare()

    with stoppable(), pytest.raises(KeyboardInterrupt):
        run_unit(ground_at(tmp_path, Slot()), order_of(timeout_s=0.01), place, Silent())

    assert list(place.work.rglob(NAME)) == []
