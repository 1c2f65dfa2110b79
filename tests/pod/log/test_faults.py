"""A full, failing or read-only disk gives a clear error, and leaves the log as it was."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pod.errors import PodError, StoreFull, StoreReadOnly, StoreUnavailable
from pod.log import Log
from tests.pod.log.disk import Disk
from tests.pod.log.steps import (
    FOLDER,
    SCENARIO,
    State,
    Step,
    commit,
    content,
    digest_of,
    observed,
    open_log,
    record_of,
)

pytestmark = pytest.mark.usefixtures("small_limits")

WRITING = {"write", "create", "replace", "make_folder", "truncate"}
ERRORS = {
    errno.ENOSPC: (StoreFull, WRITING),
    errno.EROFS: (StoreReadOnly, WRITING | {"open for writing", "delete"}),
    errno.EIO: (StoreUnavailable, WRITING | {"sync", "sync_folder", "read", "open", "names", "delete"}),
}


def begun(steps: int) -> tuple[Disk, Log, State]:
    disk = Disk()
    log = open_log(disk)
    state = State()
    for step in SCENARIO[:steps]:
        state = step(log, state)
    return disk, log, state


def failing_at(
    number: int, error: int, kinds: set[str], *, for_ever: bool
) -> Callable[[str, int], int | None]:
    """Return a fault: the calls of these kinds fail from one on, or this one alone."""
    seen = 0

    def fails(kind: str, _: int) -> int | None:
        nonlocal seen
        if kind not in kinds:
            return None
        seen += 1
        return error if seen == number or (for_ever and seen > number) else None

    return fails


def attempt(
    steps: int, fault: Callable[[str, int], int | None]
) -> tuple[Disk, Log, State, State, PodError | None]:
    """Do one step of the scenario on a failing disk, and mend the disk."""
    disk, log, before = begun(steps)
    disk.fails = fault
    after, raised = before, None
    try:
        after = SCENARIO[steps](log, before)
    except PodError as error:
        raised = error
        after = _undisturbed(steps)
    disk.fails = lambda kind, number: None
    return disk, log, before, after, raised


def _undisturbed(steps: int) -> State:
    return begun(steps + 1)[2]


def is_collection(step: Step) -> bool:
    return "collecting" in step.__qualname__


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("steps", range(len(SCENARIO)))
def test_a_failing_call_leaves_the_log_as_it_was(steps: int, error: int, for_ever: bool) -> None:
    expected_type, kinds = ERRORS[error]
    failures = 0
    for number in range(1, 200):
        fault = failing_at(number, error, kinds, for_ever=for_ever)
        disk, log, before, after, raised = attempt(steps, fault)
        if raised is None:
            expected = [after]
        else:
            failures += 1
            assert isinstance(raised, expected_type)
            assert str(FOLDER) in str(raised)
            # An entry that could be neither synced nor taken back, and a collection that has its new name, may stay.
            expected = [before, after] if for_ever or is_collection(SCENARIO[steps]) else [before]
        found = observed(log)
        assert found in expected
        assert observed(open_log(disk)) == found
        assert log.verify() == []
        tid = commit(log, [content(77, 3000)])
        assert observed(open_log(disk)) == found.with_version(tid, [content(77, 3000)], {})
        if raised is None and not _was_reached(steps, number, kinds):
            break
    else:
        pytest.fail("the step makes more calls than were tried")
    if SCENARIO[steps].__qualname__.startswith(("committing", "referring", "collecting")):
        assert failures > 0


def _was_reached(steps: int, number: int, kinds: set[str]) -> bool:
    disk, log, before = begun(steps)
    calls = 0

    def count(kind: str, _: int) -> None:
        nonlocal calls
        calls += kind in kinds

    disk.fails = count
    SCENARIO[steps](log, before)
    return calls >= number


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_a_store_that_cannot_be_made_leaves_a_clear_error(error: int) -> None:
    expected_type, kinds = ERRORS[error]
    for number in range(1, 100):
        disk = Disk()
        disk.fails = failing_at(number, error, kinds, for_ever=False)
        raised = _error_of_opening(disk)
        if raised is None:
            break
        assert isinstance(raised, expected_type)
        disk.fails = lambda kind, number: None
        log = open_log(disk)
        assert observed(log) == State()
        assert commit(log, [b"x"]) == 1
    assert number > 3


def _error_of_opening(disk: Disk) -> PodError | None:
    try:
        open_log(disk)
    except PodError as error:
        return error
    return None


def test_a_read_only_store_can_be_read(tmp_path: Path) -> None:
    disk, _, state = begun(4)
    disk.fails = lambda kind, _: errno.EROFS if kind in ERRORS[errno.EROFS][1] else None
    log = open_log(disk)
    assert observed(log) == state
    assert log.verify() == []
    with pytest.raises(StoreReadOnly, match="nothing was saved: make it writable, or choose another place"):
        log.begin()
    log.settle()
    assert observed(log) == state


@pytest.mark.parametrize("size", [500, 5000, 300_000])
def test_a_commit_fails_although_the_failure_of_a_piece_was_swallowed(size: int) -> None:
    disk, log, before = begun(2)
    with log.begin() as transaction:
        disk.fails = failing_at(1, errno.ENOSPC, {"write"}, for_ever=False)
        with contextlib.suppress(StoreFull):
            transaction.put(digest_of(content(50, size)), [content(50, size)])
        with contextlib.suppress(StoreFull):
            transaction.put(digest_of(content(51, 10)), [content(51, 10)])
        with pytest.raises(StoreFull, match="the disk is full"):
            transaction.commit(b"")
    assert observed(log) == before
    assert log.verify() == []
    assert commit(log, [content(50, size)]) == 3
    assert observed(open_log(disk)).versions[3] == (content(50, size),)


def test_pieces_whose_maker_fails_do_no_harm() -> None:
    disk, log, _ = begun(1)
    wanted = [content(number, 3000) for number in range(20, 24)]

    def pieces() -> Iterator[tuple[bytes, list[bytes]]]:
        yield digest_of(wanted[0]), [wanted[0]]
        yield digest_of(wanted[1]), [wanted[1]]
        raise ZeroDivisionError

    with log.begin() as transaction:
        with pytest.raises(ZeroDivisionError):
            transaction.put_all(pieces())
        with pytest.raises(TypeError):
            transaction.put(digest_of(wanted[2]), [memoryview(bytes(6000))[::2]])
        assert transaction.put_all((digest_of(each), [each]) for each in wanted) == [
            digest_of(each) for each in wanted[2:]
        ]
        tid = transaction.commit(record_of(wanted))
    assert observed(open_log(disk)).versions[tid] == tuple(wanted)
    assert log.verify() == []
