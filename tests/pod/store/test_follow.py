"""A store that follows an exact dict."""

from __future__ import annotations

import builtins
import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

import pod
from pod.store import Follower
from pod.store._record import Record
from pod.tracking import Followed, uses_of_all
from tests.pod.disks import BrokenDisk


@pytest.fixture
def store(tmp_path: Path) -> Iterator[pod.Store]:
    with pod.open(tmp_path / "store") as opened:
        yield opened


def _run(follower: Follower, source: str) -> None:
    exec(source, follower.namespace)
    follower.ran(source)


def test_only_what_may_have_changed_is_looked_at(store: pod.Store) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    follower = store.follow(Followed(space))
    _run(follower, "a = [1]; b = [2]")
    store.save(space)
    first = follower.looked_at
    _run(follower, "a.append(2)")
    report = store.save(space)
    assert (first, follower.looked_at, report.pods_new) == (2, 1, 1)
    assert dict(store.load(int(report))) == {"a": [1, 2], "b": [2]}


def test_the_sources_are_kept_with_the_version(store: pod.Store) -> None:
    space: dict[str, Any] = {}
    follower = store.follow(Followed(space))
    _run(follower, "a = 1")
    follower.ran("1 / 0", failed=True)
    store.save(space)
    follower.ran(None)
    store.save(space)
    assert [(v.source, v.failed, v.parent) for v in store.log()] == [
        (None, False, 1),
        ("a = 1\n\n1 / 0", True, None),
    ]


@pytest.mark.parametrize("mode", ["sync", "fork", "thread", "thread-deferred"])
def test_a_cell_belongs_to_the_save_that_was_called_after_it(store: pod.Store, mode: str) -> None:
    space: dict[str, Any] = {}
    follower = store.follow(Followed(space))
    _run(follower, "a = 1")
    future = store.save_async(space, mode=mode)
    _run(follower, "b = 2")
    future.result(60)
    store.save(space)
    assert [version.source for version in store.log()] == ["b = 2", "a = 1"]


def test_the_cells_of_a_save_that_failed_are_kept_with_the_next(tmp_path: Path) -> None:
    disk = BrokenDisk()
    with pod.open(tmp_path / "store", io=disk) as store:
        space: dict[str, Any] = {}
        follower = store.follow(Followed(space))
        _run(follower, "a = 1")
        disk.fail(errno.EIO)
        with pytest.raises(pod.PodError):
            store.save(space)
        disk.mend()
        follower.ran("1 / 0", failed=True)
        store.save(space)
        assert [(version.source, version.failed) for version in store.log()] == [("a = 1\n\n1 / 0", True)]


@pytest.mark.parametrize("source", [None, "no python"])
def test_of_what_is_not_known_everything_is_looked_at(store: pod.Store, source: str | None) -> None:
    space: dict[str, Any] = {"a": [1], "b": [2]}
    follower = store.follow(Followed(space))
    store.save(space)
    space["b"].append(3)
    follower.ran(source)
    report = store.save(space)
    assert store.load(int(report))["b"] == [2, 3]


def test_without_the_follower_the_dict_is_a_plain_one_again(store: pod.Store) -> None:
    space: dict[str, Any] = {"a": [1], "b": [2]}
    follower = store.follow(Followed(space))
    store.save(space)
    del follower
    space["b"].append(3)
    report = store.save(space)
    assert store.load(int(report))["b"] == [2, 3]


def test_memory_is_let_go_of_before_a_name_is_bound_anew(store: pod.Store) -> None:
    class Freed:
        count = 0

        def __del__(self) -> None:
            Freed.count += 1

    space: dict[str, Any] = {"Freed": Freed}
    follower = store.follow(Followed(space))
    exec("a = Freed()", space)
    store.save(space, names=["a"])
    follower.about_to(uses_of_all([compile("a = 1", "", "exec")]))
    space["a"] = 1
    assert Freed.count == 1


def test_a_checkout_that_fails_leaves_the_dict_as_it_was(store: pod.Store) -> None:
    space: dict[str, Any] = {"a": [1]}
    follower = store.follow(Followed(space))
    store.save(space)
    space["b"] = 2
    with pytest.raises(pod.NoSuchVersion):
        follower.checkout(1, ["b"])
    assert space == {"a": [1], "b": 2}


class Slow:
    """Takes so long to load that a thread binds names meanwhile."""

    meanwhile: ClassVar[Callable[[], None]]

    def __setstate__(self, state: dict[str, object]) -> None:
        thread = Thread(target=Slow.meanwhile)
        thread.start()
        thread.join()
        vars(self).update(state)


@pytest.mark.parametrize("names", [["slow", "f"], None])
def test_a_checkout_leaves_what_a_thread_binds_meanwhile(store: pod.Store, names: list[str] | None) -> None:
    space: dict[str, Any] = {"__builtins__": builtins, "slow": Slow()}
    vars(space["slow"])["x"] = 1
    follower = store.follow(Followed(space))
    _run(follower, "a, b = 1, 2\ndef f(): return a, b")
    first = int(store.save(space))
    _run(follower, "a, b, late, old = 3, 4, 5, 6")
    store.save(space)

    loads: list[None] = []

    def bind() -> None:
        loads.append(None)
        space["a"] = space["late"] = space["fresh"] = len(loads)

    Slow.meanwhile = bind
    follower.checkout(first, names)
    assert (space["late"], space["fresh"]) == (len(loads), len(loads))
    if names is None:
        assert (space["a"], space["b"], "old" in space) == (1, 2, False)
    else:
        assert (space["a"], space["b"], space["old"]) == (len(loads), 4, 6)


def _record(**more: Any) -> Record:
    return Record(1, None, None, None, (), b"", b"", 0, 0, 1, **more)


def test_a_record_without_a_source_is_as_it_always_was() -> None:
    assert b"source" not in _record().pack()
    assert b"failed" not in _record().pack()
    assert Record.parse(_record().pack()) == _record()


def test_a_record_keeps_a_source() -> None:
    record = _record(source="a = 1", failed=True)
    assert Record.parse(record.pack()) == record
