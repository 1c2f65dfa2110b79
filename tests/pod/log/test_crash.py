"""A power failure at any instant leaves the old version or the new one, whole, and a store that can be used."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pod.errors import NotAStore, PodError
from pod.log import _walk
from tests.pod.log.disk import Change, Disk, Image, after_crash, fates
from tests.pod.log.steps import SCENARIO, State, commit, content, observed, open_log

pytestmark = pytest.mark.usefixtures("small_limits")


@dataclass(frozen=True)
class Moment:
    """A number of changes on the disk, and what the store may hold if these are all."""

    changes: int
    allowed: tuple[State, ...]


def history() -> tuple[list[Change], list[Moment]]:
    """Run the scenario; return what it did to the disk, and what may be found after each of its calls."""
    disk = Disk()
    log = open_log(disk)
    state = State()
    moments = [Moment(number, (state,)) for number in range(len(disk.journal) + 1)]
    for step in SCENARIO:
        before, begun = state, len(disk.journal)
        state = step(log, state)
        moments += [Moment(number, (before, state)) for number in range(begun, len(disk.journal))]
        moments.append(Moment(len(disk.journal), (state,)))
    return disk.journal, moments


def check(disk: Disk, moment: Moment) -> None:
    log = open_log(disk)
    found = observed(log)
    assert found in moment.allowed
    assert log.verify() == []
    tid = commit(log, [content(99, 2000)], {"after": None})
    assert tid > max(found.versions, default=0)
    expected = found.with_version(tid, [content(99, 2000)], {})
    assert observed(log) == expected
    again = open_log(disk, create=False)
    assert observed(again) == expected
    assert again.verify() == []


def check_all(journal: list[Change], moments: list[Moment], *seeds: int) -> None:
    for seed in seeds:
        for moment in moments:
            check(after_crash(journal[: moment.changes], fates(seed)), moment)


def test_the_scenario_has_all_kinds_of_changes() -> None:
    journal, moments = history()
    kinds = {change.kind for change in journal}
    expected = {"write", "truncate", "sync", "create", "replace", "delete", "make_folder", "sync_folder"}
    assert kinds == expected
    assert len(moments) > 50
    assert len(moments[-1].allowed[0].versions) == 3


@pytest.mark.parametrize("seed", range(30))
def test_a_crash_at_any_instant_leaves_the_old_version_or_the_new_one(seed: int) -> None:
    check_all(*history(), seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(30, 330))
def test_a_crash_at_any_instant_with_many_fates(seed: int) -> None:
    check_all(*history(), seed)


def test_a_second_crash_may_come_while_the_first_is_mended() -> None:
    journal, moments = history()
    tried = 0
    for moment in moments[::2]:
        disk = after_crash(journal[: moment.changes], fates(moment.changes))
        image = Image.of(disk)
        log = open_log(disk)
        before = observed(log)
        commit(log, [content(98, 600)])
        after = observed(log)
        for number in range(len(disk.journal) + 1):
            again = after_crash(disk.journal[:number], fates(number), image)
            assert observed(open_log(again)) in (before, after)
            tried += 1
    assert tried > 200


def _without(kind: str) -> tuple[list[Change], list[Moment]]:
    """Return the history on a disk that ignores such calls."""
    journal, moments = history()
    kept = [change for change in journal if change.kind != kind]
    before = [0]
    for change in journal:
        before.append(before[-1] + (change.kind != kind))
    return kept, [Moment(before[moment.changes], moment.allowed) for moment in moments]


@pytest.mark.parametrize("kind", ["sync", "sync_folder"])
def test_the_check_finds_a_log_that_does_not_sync(kind: str) -> None:
    journal, moments = _without(kind)
    with pytest.raises((AssertionError, PodError)):
        check_all(journal, moments, 0)


def test_the_check_finds_a_log_that_takes_torn_versions_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    journal, moments = history()
    monkeypatch.setattr(_walk, "_is_whole", lambda *_: True)
    with pytest.raises((AssertionError, PodError)):
        check_all(journal, moments, *range(2, 100))


def test_there_is_no_store_before_it_was_made() -> None:
    disk = Disk()
    with pytest.raises(NotAStore, match="no store; make one with: pod init"):
        open_log(disk, create=False)
    assert disk.journal == []
