"""What a store promises beside equal values: reports, history, names, and what a save costs."""

from __future__ import annotations

import gc
import shutil
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import pod
from pod.errors import InvalidArgument, NoSuchVersion, StoreClosed
from pod.log import Log
from tests.pod.notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[pod.Store]:
    with pod.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    with Notebook(tmp_path / "store") as opened:
        yield opened


def test_the_report_is_the_tid(store: pod.Store) -> None:
    first, second = store.save({"a": [1]}, "first"), store.save({"a": [1]})
    assert (first, second) == (1, 2)
    assert (first.tid, first.message, first.pods_new, first.pods_reused) == (1, "first", 1, 0)
    assert (second.message, second.pods_new, second.pods_reused) == (None, 0, 1)
    assert set(first.seconds) == {"track", "encode", "write"}
    assert str(first) == "1"
    assert first.bytes_written > second.bytes_written > 0


def test_a_variable_that_cannot_be_saved_is_reported_and_the_rest_is_saved(store: pod.Store) -> None:
    shared = [1]
    report = store.save({"g": [shared, (i for i in ())], "a": [shared], "b": shared})
    assert report.unsaved == (pod.Unsaved("g", "list", "cannot pickle 'generator' object"),)
    loaded = store.load(report)
    assert loaded == {"a": [[1]], "b": [1]}
    assert loaded["a"][0] is loaded["b"]
    assert store.version(report).unsaved == report.unsaved


def test_an_error_that_cannot_say_what_it_is_fails_no_save(notebook: Notebook) -> None:
    notebook.cell(
        "class Silent(Exception):\n    def __str__(self): raise KeyError(1)\n"
        "class Bad:\n    def __reduce__(self): raise Silent\n"
        "bad = [Bad()]; good = [1]"
    )
    report = notebook.store.save(notebook.ns)
    assert report.unsaved == (pod.Unsaved("bad", "list", "Silent: Silent"),)
    assert notebook.store.load(report)["good"] == [1]


def test_a_memory_error_of_the_user_s_code_fails_no_save(notebook: Notebook) -> None:
    notebook.cell(
        "class Bad:\n    def __reduce__(self): raise MemoryError('too large')\nbad = [Bad()]; good = [1]"
    )
    report = notebook.store.save(notebook.ns)
    assert report.unsaved == (pod.Unsaved("bad", "list", "MemoryError: too large"),)
    assert notebook.store.load(report)["good"] == [1]


def test_it_is_saved_as_soon_as_it_can_be(notebook: Notebook) -> None:
    notebook.cell("a = [1]; b = [a, 2]; c = [b]")
    notebook.save()
    notebook.cell("a.append(x for x in ())")
    lost = notebook.save()
    assert [found.name for found in notebook.reports[lost].unsaved] == ["a", "b", "c"]
    notebook.cell("a.pop()")
    again = notebook.save()
    assert notebook.reports[again].unsaved == ()
    notebook.check([again])


def test_names_chooses_what_a_version_holds(store: pod.Store) -> None:
    ns = pod.new_managed_namespace({"a": [1], "b": [2], "c": 3})
    assert store.load(store.save(ns, names=["a", "c"])) == {"a": [1], "c": 3}
    assert store.load(store.save(ns)) == {"a": [1], "b": [2], "c": 3}
    with pytest.raises(InvalidArgument, match="no variable zz"):
        store.save(ns, names=["zz"])
    with pytest.raises(InvalidArgument, match="list of names"):
        store.save(ns, names="a")


def test_a_function_finds_what_it_needs_though_it_was_not_asked_for(notebook: Notebook) -> None:
    notebook.cell("a = [1]\ndef f(): return g()\ndef g(): return a")
    tid = notebook.save()
    loaded = notebook.store.load(tid, ["f"])
    assert (list(loaded), loaded["f"]()) == (["f"], [1])
    again = notebook.store.save(loaded)
    assert notebook.store.load(again)["f"]() == [1]
    only = notebook.store.save(notebook.ns, names=["f"])
    assert notebook.store.load(only)["f"]() == [1]
    assert list(notebook.store.names(only)) == ["f"]


def test_a_missing_version_or_variable_is_an_error(store: pod.Store) -> None:
    with pytest.raises(NoSuchVersion):
        store.load(1)
    tid = store.save({"a": 1})
    for wrong in (tid + 1, "nothing"):
        with pytest.raises(NoSuchVersion):
            store.load(wrong)
    with pytest.raises(NoSuchVersion, match="no variable b"):
        store.load(tid, ["b"])


def test_what_names_no_version_is_a_clear_error(store: pod.Store) -> None:
    tid = store.save({"a": 1})
    wrongs: list[Any] = [None, 1.9, [tid], b"1"]
    for wrong in wrongs:
        for use in (store.load, store.checkout, store.version, store.names, lambda it: store.diff(tid, it)):
            with pytest.raises(InvalidArgument, match=r"is no version, but a .*; give a version's number"):
                use(wrong)
    number: Any = np.int64(tid)
    assert store.load(number) == {"a": 1}


def test_what_names_no_variables_is_a_clear_error(store: pod.Store) -> None:
    tid = store.save({"a": 1})
    number: Any = 5
    for wrong in ("a", number):
        for use in (store.load, store.checkout):
            with pytest.raises(InvalidArgument, match="give a list of names"):
                use(tid, wrong)
        with pytest.raises(InvalidArgument, match="give a list of names"):
            store.save({"a": 1}, names=wrong)


def test_a_message_is_a_str(store: pod.Store) -> None:
    message: Any = 5
    for save in (store.save, store.save_async):
        with pytest.raises(InvalidArgument, match="the message is a int, 5; give a str"):
            save({"a": 1}, message)
    assert store.log() == []


def test_a_name_of_a_version_is_a_str(store: pod.Store) -> None:
    store.save({"a": 1})
    name: Any = 5
    for give in (store.tag, store.branch):
        with pytest.raises(InvalidArgument, match="5 cannot be a name"):
            give(name)


def test_the_log_is_newest_first_and_knows_parents_tags_and_branches(store: pod.Store) -> None:
    ns = pod.new_managed_namespace({"a": [1]})
    first = store.save(ns, "one")
    store.tag("good")
    store.branch("main")
    on_branch = store.checkout("main")
    on_branch["a"].append(2)
    second = store.save(on_branch, "two")
    ns["a"].append(3)
    third = store.save(ns)
    assert [(v.tid, v.parent, v.message, v.names) for v in store.log()] == [
        (third, first, None, 1),
        (second, first, "two", 1),
        (first, None, "one", 1),
    ]
    assert store.version("good").tags == ("good",)
    assert store.version("main").branches == ("main",)
    assert store.branches() == {"main": second}
    assert store.load("main") == {"a": [1, 2]}


def test_a_tag_never_moves_and_a_branch_does(store: pod.Store) -> None:
    first, second = store.save({"a": 1}), store.save({"a": 2})
    store.tag("t", first)
    with pytest.raises(InvalidArgument, match="in use"):
        store.tag("t", second)
    store.branch("b", first)
    store.branch("b", second)
    assert (store.tags(), store.branches()) == ({"t": first}, {"b": second})
    with pytest.raises(InvalidArgument, match="in use"):
        store.branch("t")
    store.untag("t")
    store.unbranch("b")
    assert (store.tags(), store.branches()) == ({}, {})
    for wrong in ("", "12", "a b"):
        with pytest.raises(InvalidArgument):
            store.tag(wrong)


def test_diff_names_what_changed_with_sizes(store: pod.Store) -> None:
    shared = [1]
    a = store.save({"same": [1, 2], "changed": [shared], "gone": "x", "number": 1})
    b = store.save({"same": [1, 2], "changed": [[2]], "new": b"y" * 500, "number": 2})
    found = store.diff(a, b)
    assert [change.name for change in found.added] == ["new"]
    assert [change.name for change in found.removed] == ["gone"]
    assert [change.name for change in found.changed] == ["changed", "number"]
    assert found.added[0].a_bytes is None
    assert (found.added[0].b_bytes or 0) > 500
    assert not store.diff(a, a)


def test_gc_keeps_what_is_asked_for_and_named(store: pod.Store) -> None:
    tids = [store.save({"a": [number] * 1000, "b": "same" * 100}) for number in range(5)]
    store.tag("kept", tids[1])
    store.gc(keep=2)
    assert [version.tid for version in store.log()] == [tids[4], tids[3], tids[1]]
    assert [store.load(tid)["a"][0] for tid in (tids[1], tids[3], tids[4])] == [1, 3, 4]
    with pytest.raises(NoSuchVersion):
        store.load(tids[0])
    assert store.verify() == []
    assert store.save({"a": 1}) == tids[4] + 1


def test_gc_refuses_what_is_no_choice_of_versions(store: pod.Store) -> None:
    tids = [store.save({"a": [number]}) for number in range(3)]
    wrongs: list[Any] = ["12", b"12", 1.5]
    for wrong in wrongs:
        with pytest.raises(InvalidArgument, match="give a list of versions to keep"):
            store.gc(keep=wrong)
    with pytest.raises(InvalidArgument, match="fewer than no versions"):
        store.gc(keep=-1)
    assert [version.tid for version in store.log()] == tids[::-1]
    store.gc(keep=iter(tids[1:]))
    assert [version.tid for version in store.log()] == tids[:0:-1]


def test_verify_names_every_piece_that_a_version_lacks(store: pod.Store, tmp_path: Path) -> None:
    names = {f"name {number}": number for number in range(40)}
    value = {"a": list(range(1000)), "b": np.arange(100_000), "c": [1], **names}
    tids = [store.save(value), store.save({**value, "c": [2]})]
    assert store.verify() == []
    with Log.open(store.path) as log:
        every = set(log.digests())
    assert len(every) > 10
    for number, lost in enumerate(sorted(every)):
        copy = tmp_path / str(number)
        shutil.copytree(store.path, copy)
        with Log.open(copy) as log:
            log.gc(lambda log=log, lost=lost: ({tid: log.record(tid) for tid in tids}, every - {lost}))  # type: ignore[misc]
        with pod.open(copy) as damaged:
            (damage,) = {each.digest: each for each in damaged.verify()}.values()
        assert (damage.digest, damage.tid in tids) == (lost, True)
        assert "is missing, which version" in damage.what
        shutil.rmtree(copy)


def test_a_version_travels_as_one_file(store: pod.Store, tmp_path: Path) -> None:
    shared = [1]
    tid = store.save({"a": [shared], "b": shared, "c": b"z" * 200_000}, "far")
    size = store.export(tid, tmp_path / "file")
    assert size == (tmp_path / "file").stat().st_size
    with pod.open(tmp_path / "other") as other:
        report = other.import_(tmp_path / "file")
        loaded = other.load(report)
        assert loaded == {"a": [[1]], "b": [1], "c": b"z" * 200_000}
        assert loaded["a"][0] is loaded["b"]
        assert report.message == other.log()[0].message == "far"


def test_tids_and_sharing_go_on_after_a_restart(tmp_path: Path) -> None:
    with pod.open(tmp_path / "store") as store:
        first = store.save({"a": [1]})
    with pod.open(tmp_path / "store") as store:
        second = store.save({"a": [1]})
        assert (second, second.pods_new) == (first + 1, 0)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = pod.open(tmp_path / "store")
    store.close()
    store.close()
    with pytest.raises(StoreClosed):
        store.save({})


def test_only_what_was_touched_is_written(notebook: Notebook) -> None:
    notebook.cell("a = [1]; b = [2]; c = [a]")
    notebook.save()
    notebook.cell("b.append(3)")
    assert notebook.reports[notebook.save()].pods_new == 1
    notebook.cell("a.append(3)")
    assert notebook.reports[notebook.save()].pods_new == 1
    assert notebook.reports[notebook.save()].pods_new == 0
    notebook.check()


def test_what_is_unchanged_is_not_looked_at(notebook: Notebook) -> None:
    notebook.cell(
        "looked = []\n"
        "class Spy:\n"
        "    def __reduce__(self):\n"
        "        looked.append(1)\n"
        "        return (Spy, ())\n"
        "a = [Spy()]; b = [Spy()]; c = {'a': 1}"
    )
    notebook.store.save(notebook.ns)
    seen = list(notebook.ns["looked"])
    notebook.cell("c['a'] = 2")
    notebook.store.save(notebook.ns)
    assert notebook.ns["looked"] == seen
    notebook.store.save(notebook.ns, full=True)
    assert len(notebook.ns["looked"]) == len(seen) + 2


@pytest.mark.parametrize(
    "source",
    [
        "import pandas as pd; x = pd.DataFrame({'s': ['a', 'b'], 'o': [[1], [2]]})",
        "import pandas as pd; x = pd.Series(['a', [1]])",
        "import numpy as np; x = np.empty((2, 2), object); x[1, 1] = [1]",
        "import numpy as np; x = np.empty((4, 4), object, order='F')[::2, ::2].copy(); x[:] = [[[1], [2]]]",
    ],
)
def test_frames_and_arrays_that_nobody_holds_are_not_looked_at(source: str, notebook: Notebook) -> None:
    notebook.cell(source)
    notebook.save()
    (session,) = notebook.store._sessions.values()
    oid = session.known.names["x"].oid
    assert oid in session.known.pods
    assert oid not in session.known.exposed
    notebook.check()


def test_a_name_of_an_object_that_lies_in_another_pod_may_be_bound_anew(notebook: Notebook) -> None:
    notebook.run("class T: pass\nT.it = q = T(); del T; r = [q]", "q = None", "r.append(1)", "r = 1")


def test_an_object_that_somebody_else_holds_is_looked_at_in_every_save(notebook: Notebook) -> None:
    notebook.cell("a = [1, [2]]; b = [3]")
    held = dict.__getitem__(notebook.ns, "a")[1]
    notebook.save()
    held.append(4)
    assert notebook.store.load(notebook.save())["a"] == [1, [2, 4]]
    del held
    notebook.save()
    notebook.check()


def test_a_store_keeps_nothing_alive_that_the_user_lets_go_of(store: pod.Store) -> None:
    class Big(list[Any]):
        pass

    ns = pod.new_managed_namespace({"big": Big([1]), "other": [2]})
    gone = weakref.ref(ns["big"])
    store.save(ns)
    del ns["big"]
    assert gone() is None
    ns["other"] = Big()
    gone = weakref.ref(ns["other"])
    store.save(ns)
    ns["other"] = None
    assert gone() is None


def test_a_namespace_that_is_let_go_of_is_freed(store: pod.Store) -> None:
    tid = store.save({"a": [1]})
    loaded = store.load(tid)
    exec("def f(): return a", loaded)
    store.save(loaded)
    gone = weakref.ref(loaded)
    del loaded
    gc.collect()
    assert gone() is None


def test_a_version_that_is_let_go_of_is_freed_at_once(store: pod.Store) -> None:
    tid = store.save({"a": [1], "b": {2}})
    gc.disable()
    try:
        loaded = store.load(tid)
        store.save(loaded)
        gone = weakref.ref(loaded), weakref.ref(loaded["b"])
        del loaded
        assert [each() for each in gone] == [None, None]
    finally:
        gc.enable()


def test_one_namespace_in_two_stores(tmp_path: Path) -> None:
    ns = pod.new_managed_namespace({"a": [1]})
    with pod.open(tmp_path / "one") as one, pod.open(tmp_path / "two") as two:
        one.save(ns)
        two.save(ns)
        ns["a"].append(2)
        assert one.load(one.save(ns)) == {"a": [1, 2]}
        assert two.load(two.save(ns)) == {"a": [1, 2]}


def test_a_failed_save_forgets_nothing(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook.cell("a = [1]; b = [a]")
    notebook.save()
    notebook.cell("a.append(2)")

    def refuse(*_arguments: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patched:
        patched.setattr(notebook.store, "_commit", refuse)
        with pytest.raises(OSError, match="no"):
            notebook.store.save(notebook.ns)
    notebook.save()
    notebook.check()


def test_a_large_sharing_structure_costs_little_more_when_one_thing_changes(notebook: Notebook) -> None:
    notebook.cell("a = [[i] for i in range(20_000)]; b = {i: a[i] for i in range(0, 20_000, 7)}")
    whole = notebook.reports[notebook.save()].bytes_written
    notebook.cell("a[5_000].append('x')")
    assert notebook.reports[notebook.save()].bytes_written < whole / 4
    notebook.check()
