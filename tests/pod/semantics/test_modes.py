"""Promises about threads that encode, cells that only read, and the published form."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

import pod
from harness.oracle import differences, portray
from tests.pod.notebook import Notebook
from tests.pod.semantics.promises import promise, variables
from tests.pod.stopping import Stopping

_SEVEN = [1, 2, 3, 4, 5, 6, 7]


def _waits(use: Callable[[], object], go: threading.Event) -> bool:
    """Say whether a thread that does something waits until it may go on."""
    done = threading.Event()

    def run() -> None:
        use()
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    waited = not done.wait(0.3)
    go.set()
    thread.join(60)
    assert done.is_set()
    return waited


@promise(64)
@pytest.mark.parametrize("lock", ["variable", "all"])
@pytest.mark.parametrize("cell", ["a.append(8)", "t[0].append(8)", "del a", "b.append(2)"])
def test_who_touches_what_is_encoded_waits(cell: str, lock: str, tmp_path: Path) -> None:
    """In full in tests/pod/store/test_deferred.py, and for random sessions in tests/pod/test_deferred_sessions.py."""
    podding = Stopping()
    with Notebook(tmp_path / "store", mode="thread-deferred", lock=lock, podding=podding) as notebook:
        notebook.cell(f"a = {_SEVEN}; t = (a,); b = [1]")
        podding.go.set()
        notebook.save()
        podding.go.clear()
        notebook.cell("a[0] = 0")
        before = portray(notebook.ns)
        future = notebook.store.save_async(notebook.ns)
        assert podding.reached.wait(60)
        is_free = cell.startswith("b") and lock == "variable"
        assert _waits(lambda: notebook.cell(cell), podding.go) != is_free
        assert differences(before, portray(notebook.store.load(future))) == []
        assert len(notebook.store.take_waits().lock_s) == (0 if is_free else 1)


@promise(65)
@pytest.mark.parametrize("managed", [True, False])
def test_what_others_hold_is_encoded_before(managed: bool, tmp_path: Path) -> None:
    podding = Stopping()
    with Notebook(tmp_path / "store", mode="thread-deferred", podding=podding) as notebook:
        held = [*_SEVEN]
        namespace = pod.new_managed_namespace({"a": held}) if managed else {"a": held}
        future = notebook.store.save_async(namespace)
        held.append(8)
        podding.go.set()
        assert notebook.store.load(future)["a"] == _SEVEN
        assert not podding.reached.is_set()


@promise(66)
def test_nothing_stays_locked(tmp_path: Path) -> None:
    """In full in tests/pod/store/test_deferred.py."""
    podding = Stopping()
    with Notebook(tmp_path / "store", mode="thread-deferred", podding=podding) as notebook:
        notebook.cell(f"a = {_SEVEN}; g = (x for x in a)")
        notebook.ns.pop("g")
        future = notebook.store.save_async(notebook.ns)
        assert podding.reached.wait(60)
        child = os.fork()
        if child == 0:
            os._exit(len(notebook.ns["a"]))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        podding.go.set()
        future.result(60)
        notebook.cell("a.append(8)")
        assert notebook.ns["a"] == [*_SEVEN, 8]


@promise(67)
@pytest.mark.parametrize("tracking", ["names", "all"])
def test_everything_is_looked_at_if_that_is_asked_for(tracking: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", tracking=tracking) as notebook:
        notebook.cell("class C: x = 0\nc = C()")
        unseen = weakref.ref(dict.__getitem__(notebook.ns, "c"))
        notebook.save()
        unseen().x = 1
        loaded = notebook.store.load(notebook.store.save(notebook.ns))
        assert loaded["c"].x == (1 if tracking == "all" else 0)


@promise(68)
@pytest.mark.parametrize(
    ("cell", "static"), [("len(l)", True), ("l[l.pop(0)]", False), ("%who", False), ("f(l)", False)]
)
def test_a_cell_that_only_reads_touches_nothing(cell: str, static: bool, tmp_path: Path) -> None:
    """In full in tests/pod/tracking/static."""
    with Notebook(tmp_path / "store", ascc=True) as notebook:
        notebook.run("l = [0, 1]\ndef f(x): x.append(2)")
        with notebook.store.cell(cell, notebook.ns) as proved:
            if not cell.startswith("%"):
                notebook.cell(cell)
        assert proved == static
        notebook.save()
        notebook.check()


@promise(69)
@pytest.mark.parametrize("fidelity", ["fixed", "paper"])
def test_three_defects_come_back_if_that_is_asked_for(fidelity: str, tmp_path: Path) -> None:
    """Each in full in tests/pod/store/test_links.py, tests/pod/tracking/static and tests/pod/store/test_deferred.py."""
    podding = Stopping()
    with Notebook(
        tmp_path / "store", fidelity=fidelity, ascc=True, mode="thread", podding=podding
    ) as notebook:
        notebook.cell("l = [0, 1]; t = (l,); p = [0, 1]")
        podding.go.set()
        notebook.save()
        notebook.cell("l.append(2)")
        with notebook.store.cell("p[p.pop(0)]", notebook.ns):
            notebook.cell("p[0:p.pop(0)]")
        loaded = variables(notebook.store.load(notebook.store.save(notebook.ns)))
        wrong = {"l": [0, 1, 2], "t": ([0, 1],), "p": [0, 1]}
        right = {"l": [0, 1, 2], "t": ([0, 1, 2],), "p": [1]}
        assert loaded == (wrong if fidelity == "paper" else right)
        assert notebook.store.effective()["mode"] == ("thread-deferred" if fidelity == "paper" else "thread")
