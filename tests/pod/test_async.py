"""Saving in the background: one instant's state, errors out of the future, nothing locked, nothing left."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import psutil
import pytest

import pod
from harness.oracle import differences, portray
from tests.pod.disks import BrokenDisk
from tests.pod.notebook import Notebook, run_python

WAYS = pytest.mark.parametrize("mode", ["sync", "auto", "fork", "thread", "thread-deferred"])
_STATE = (
    "import numpy as np\nl = [[i] for i in range(30_000)]; a = np.zeros(400_000); d = {'l': l, 'v': a[5:]}"
)


@WAYS
def test_the_saved_state_is_that_of_the_call(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_STATE)
        before = portray(notebook.ns)
        future = notebook.store.save_async(notebook.ns, mode=mode)
        notebook.cell("l[0].append('later'); a[:] = 7; l.clear(); d['new'] = 1; del a; x = 1")
        tid = notebook.remember(future.result(60), before)
        notebook.check([tid])


@WAYS
def test_what_changed_meanwhile_is_in_the_next_save(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_STATE)
        future = notebook.store.save_async(notebook.ns, mode=mode)
        notebook.cell("l[0].append('later'); a[3] = 7; x = l[1]")
        notebook.save()
        future.result(60)
        notebook.check()
        notebook.cell("x.append(1)")
        notebook.save()
        notebook.check()


@WAYS
def test_load_of_a_running_save_waits(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_STATE)
        before = portray(notebook.ns)
        future = notebook.store.save_async(notebook.ns, mode=mode)
        assert differences(before, portray(notebook.store.load(future))) == []
        assert future.done()
        assert future.exception() is None


@WAYS
def test_saves_come_in_the_order_of_their_calls(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("n = [0]")
        futures = []
        for number in range(5):
            notebook.cell(f"n[0] = {number}")
            futures.append(notebook.store.save_async(notebook.ns, mode=mode))
        tids = [int(future.result(60)) for future in futures]
        assert tids == sorted(set(tids))
        assert [notebook.store.load(tid)["n"] for tid in tids] == [[number] for number in range(5)]


@WAYS
def test_errors_come_out_of_the_future(mode: str, tmp_path: Path) -> None:
    disk = BrokenDisk()
    with Notebook(tmp_path / "store", io=disk) as notebook:
        notebook.cell("a = [1]")
        first = notebook.save()
        notebook.cell("b = [2]")
        disk.fill()
        future = notebook.store.save_async(notebook.ns, mode=mode)
        with pytest.raises(pod.StoreFull):
            future.result(60)
        assert isinstance(future.exception(), pod.StoreFull)
        assert [version.tid for version in notebook.store.log()] == [first]
        disk.mend()
        notebook.cell("c = [b]")
        notebook.save()
        notebook.check()


@WAYS
def test_errors_of_encoding_come_out_of_the_future_too(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(
            "from pod.errors import StoreUnavailable\n"
            "class Away:\n"
            "    def __reduce__(self): raise StoreUnavailable('as a store is that cannot be asked what it has')\n"
            "a = [1]; b = Away()"
        )
        future = notebook.store.save_async(notebook.ns, mode=mode)
        with pytest.raises(pod.StoreUnavailable, match="cannot be asked"):
            future.result(60)
        assert notebook.store.log() == []
        notebook.cell("del b; a.append(2)")
        notebook.save()
        notebook.check()


@WAYS
def test_the_report_names_what_was_not_saved(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("g = (i for i in [1]); a = [1]")
        report = notebook.store.save_async(notebook.ns, "a message", mode=mode).result(60)
        assert [(each.name, each.type) for each in report.unsaved] == [("g", "generator")]
        assert report.message == "a message"
        assert report.pods_new >= 1
        assert notebook.store.log()[0].message == "a message"


@WAYS
def test_close_waits(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_STATE)
        future = notebook.store.save_async(notebook.ns, mode=mode)
        notebook.store.close()
        assert future.done()
        notebook.store = pod.open(tmp_path / "store")
        assert notebook.store.log()[0].tid == int(future.result())


def test_no_child_is_left(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_STATE)
        notebook.store.save_async(notebook.ns, mode="fork").result(60)
        assert set(psutil.Process().children()) <= before


def test_beside_another_thread_nothing_is_forked(tmp_path: Path) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        pids: list[int] = []
        os.register_at_fork(before=lambda: pids.append(os.getpid()) if not stop.is_set() else None)
        with Notebook(tmp_path / "store") as notebook:
            notebook.cell(_STATE)
            future = notebook.store.save_async(notebook.ns)
            notebook.cell("l.clear()")
            assert len(notebook.store.load(future.result(60))["l"]) == 30_000
        assert pids == []
    finally:
        stop.set()
        thread.join()


def test_a_kernel_of_ipython_is_not_forked(tmp_path: Path) -> None:
    source = """
import os, sys, types
forks = []
os.register_at_fork(before=lambda: forks.append(1))
import ipykernel.ipkernel, pod
from ipykernel.kernelbase import Kernel
Kernel._instance = object.__new__(Kernel)  # as in a kernel
ns = pod.new_managed_namespace()
exec("a = [1]", ns)
with pod.open(sys.argv[1]) as store:
    store.save_async(ns).result(60)
print(len(forks))
"""
    assert run_python(source, tmp_path / "store").stdout.strip() == "0"


def test_a_thread_of_the_user_s_may_go_on(tmp_path: Path) -> None:
    """Nothing is locked: another thread reads and writes the namespace while a save runs."""
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_STATE, "count = 0")
        future = notebook.store.save_async(notebook.ns, mode="thread")

        def work() -> None:
            for _ in range(1000):
                notebook.ns["count"] += 1
                notebook.ns["l"][0].append(1)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
        assert notebook.store.load(future.result(60))["l"][0] == [0]
        assert notebook.ns["count"] == 1000


@pytest.mark.parametrize("change", ["z = [0]", "del z", "a = b = 0", "new = [1]"])
def test_a_save_takes_no_harm_from_another_thread_that_binds_names_meanwhile(
    change: str, tmp_path: Path
) -> None:
    with Notebook(tmp_path / "store") as notebook:

        def meanwhile() -> None:
            thread = threading.Thread(target=notebook.cell, args=[change])
            thread.start()
            thread.join(60)

        notebook.ns["meanwhile"] = int
        notebook.cell(
            "class Slow:\n    def __reduce__(self):\n        meanwhile()\n        return Slow, ()\n"
            "a = [Slow(), [1]]; b = (a,); z = [1]"
        )
        notebook.store.save(notebook.ns)
        notebook.ns["meanwhile"] = meanwhile
        notebook.cell("a.append(2); z.append(2)")
        saved = notebook.store.load(notebook.store.save(notebook.ns))
        assert (saved["a"][1:], saved["z"], "new" in saved) == ([[1], 2], [1, 2], False)
        notebook.ns["meanwhile"] = int
        notebook.save()
        notebook.check()


def test_a_child_that_dies_is_an_error_of_the_future(tmp_path: Path) -> None:
    source = """
import os, signal, sys, pod
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGKILL))
ns = pod.new_managed_namespace()
exec("a = [1]", ns)
with pod.open(sys.argv[1]) as store:
    try:
        store.save_async(ns, mode="fork").result(60)
    except pod.PodError as error:
        print(type(error).__name__)
    print(int(store.save(ns)) >= 0, len(store.log()))
"""
    lines = run_python(source, tmp_path / "store").stdout.split()
    assert lines[1:] == ["True", "1"]
    assert lines[0] != ""


@pytest.mark.parametrize("how", ["ignored", "waited", "dead"])
def test_a_child_that_somebody_else_has_waited_for_does_no_harm(how: str, tmp_path: Path) -> None:
    source = """
import os, signal, sys, pod
how = sys.argv[2]
ns = pod.new_managed_namespace()
exec("a = [1]", ns)
with pod.open(sys.argv[1]) as store:
    if how != "waited":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if how == "dead":
        os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGKILL))
    future = store.save_async(ns, mode="fork")
    if how == "waited":
        os.wait()
    print(type(future.exception(60)).__name__, type(future.exception(60)).__name__)
    tid = store.save(ns)
    print(len(store.log()), store.load(tid) == {"a": [1]})
"""
    lines = run_python(source, tmp_path / "store", how).stdout.splitlines()
    problem = "StoreUnavailable" if how == "dead" else "NoneType"
    assert lines == [f"{problem} {problem}", f"{1 if how == 'dead' else 2} True"]


def test_an_interruption_of_the_process_s_group_leaves_a_forked_save_alone(tmp_path: Path) -> None:
    source = """
import os, signal, sys, time, pod
os.setsid()
parent, reached, go = os.getpid(), os.pipe(), os.pipe()
class Slow:
    def __reduce__(self):
        if os.getpid() != parent:
            os.write(reached[1], b"x")
            os.read(go[0], 1)
        return int, ()
with pod.open(sys.argv[1]) as store:
    future = store.save_async(pod.Namespace(a=Slow()), mode="fork")
    os.read(reached[0], 1)
    try:
        os.killpg(0, signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        os.write(go[1], b"x")
    print(store.load(future))
"""
    assert run_python(source, tmp_path / "store").stdout.strip() == "Namespace({'a': 0})"


def test_a_save_that_was_forked_is_known_to_a_store_that_is_interrupted_meanwhile(tmp_path: Path) -> None:
    source = """
import os, signal, sys, pod
ns = pod.Namespace(a=[1])
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
with pod.open(sys.argv[1]) as store:
    try:
        store.save_async(ns, mode="fork")
    except KeyboardInterrupt:
        print("interrupted", len(store.log()))
    try:
        print("left", os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        print("no child")
"""
    assert run_python(source, tmp_path / "store").stdout.splitlines() == ["interrupted 1", "no child"]


def _no_fork() -> int:
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def _no_thread(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_where_the_system_refuses_to_fork_a_thread_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("p = [1]; q = [p]")
        notebook.save()
        notebook.cell("p.append(2)")
        before = sorted(Path("/proc/self/fd").iterdir())
        with monkeypatch.context() as patched:
            patched.setattr(os, "fork", _no_fork)
            notebook.remember(notebook.store.save_async(notebook.ns, mode="fork").result(60))
        assert sorted(Path("/proc/self/fd").iterdir()) == before
        notebook.cell("p.append(3)")
        notebook.save()
        notebook.check()


@pytest.mark.parametrize("mode", ["fork", "thread"])
def test_where_nothing_can_be_started_nothing_is_forgotten(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("p = [1]; q = [p]")
        notebook.save()
        notebook.cell("p.append(2)")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fork", _no_fork)
            patched.setattr(threading.Thread, "start", _no_thread)
            error = notebook.store.save_async(notebook.ns, mode=mode).exception()
        assert repr(error) == repr(RuntimeError("can't start new thread"))
        notebook.save()
        notebook.check()


@WAYS
def test_what_a_collection_threw_away_is_written_again(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("a = list(range(1000)); b = [a, 'x' * 5000]")
        notebook.store.save(notebook.ns)
        notebook.store.save({"other": [1]})
        notebook.store.gc(keep=1)
        notebook.remember(notebook.store.save_async(notebook.ns, mode=mode).result(60))
        assert notebook.store.verify() == []
        notebook.check()


@WAYS
def test_a_version_of_some_names_does_not_stand_for_the_others(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("a = list(range(1000)); b = list(range(2000, 3000))")
        notebook.store.save(notebook.ns)
        notebook.store.save_async(notebook.ns, names=["a"], mode=mode).result(60)
        notebook.store.gc(keep=1)
        notebook.save()
        assert notebook.store.verify() == []
        notebook.check()


@WAYS
def test_what_another_process_threw_away_is_written_again(mode: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("a = list(range(1000))")
        notebook.store.save(notebook.ns)
        with pod.open(tmp_path / "store") as other:
            other.save({"other": [1]})
            other.gc(keep=1)
        notebook.remember(notebook.store.save_async(notebook.ns, mode=mode).result(60))
        assert notebook.store.verify() == []
        notebook.check()


def test_a_process_that_ends_has_saved(tmp_path: Path) -> None:
    source = """
import sys, pod
ns = pod.new_managed_namespace()
exec("a = [[i] for i in range(50_000)]", ns)
store = pod.open(sys.argv[1])
store.save_async(ns, mode=sys.argv[2])
"""
    for number, way in enumerate(("fork", "thread", "thread-deferred"), 1):
        run_python(source, tmp_path / "store", way)
        with pod.open(tmp_path / "store", create=False) as store:
            assert len(store.log()) == number
            assert store.verify() == []
