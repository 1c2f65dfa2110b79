"""Saving in a thread that encodes after the call: what waits for it, what does not, and that nothing stays locked."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pod
from harness.oracle import differences, portray
from tests.pod.disks import BrokenDisk
from tests.pod.notebook import Notebook
from tests.pod.stopping import Stopping

_STATE = "a = [1, 2, 3, 4, 5, 6, 7]; t = (a,); b = [2]; n = 5"


class Stopped(Notebook):
    """A notebook whose saves stop in their thread, at the list `a`."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.podding = Stopping()
        super().__init__(folder, **{"podding": self.podding, "mode": "thread-deferred", **options})

    def stop(self) -> pod.SaveFuture:
        """Save; return when the thread has come to `a`."""
        future = self.store.save_async(self.ns)
        assert self.podding.reached.wait(60)
        return future

    def waits(self, use: Callable[[], object]) -> bool:
        """Say whether a thread that uses the namespace waits until the save goes on, and then is done."""
        used = threading.Event()

        def run() -> None:
            use()
            used.set()

        thread = threading.Thread(target=run)
        thread.start()
        waited = not used.wait(0.3)
        self.podding.go.set()
        thread.join(60)
        assert used.is_set()
        return waited

    def close(self) -> None:
        self.podding.go.set()
        super().close()


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Stopped]:
    with Stopped(tmp_path / "store") as notebook:
        notebook.cell(_STATE)
        yield notebook


USES = {
    "read": "a",
    "bind": "a = 1",
    "delete": "del a",
    "get": "globals().get('a')",
    "pop": "globals().pop('a')",
    "setdefault": "globals().setdefault('a', 1)",
    "update": "globals().update(a=1)",
    "values": "list(globals().values())",
    "items": "list(globals().items())",
    "copy": "globals().copy()",
    "clear": "globals().clear()",
    "class body": "class C: x = a",
    "exec": "exec('a', globals(), {})",
    "a function": "(lambda: a)()",
    "what is shared": "t",
}


@pytest.mark.parametrize("use", USES)
def test_who_touches_what_is_being_encoded_waits(use: str, stopped: Stopped) -> None:
    before = portray(stopped.ns)
    future = stopped.stop()
    assert stopped.waits(lambda: stopped.cell(USES[use]))
    assert differences(before, portray(stopped.store.load(future))) == []
    waits = stopped.store.take_waits()
    assert len(waits.lock_s) >= 1
    assert min(waits.lock_s) >= 0
    assert stopped.store.take_waits() == ([], [])


@pytest.mark.parametrize(
    "use", ["n", "n = 6", "new = 1", "'a' in globals()", "list(globals())", "len(globals())"]
)
def test_nobody_else_waits(use: str, stopped: Stopped) -> None:
    future = stopped.stop()
    assert not stopped.waits(lambda: stopped.cell(use))
    future.result(60)
    assert stopped.store.take_waits().lock_s == []


def test_what_the_save_does_not_look_at_is_free(stopped: Stopped) -> None:
    stopped.podding.go.set()
    stopped.store.save_async(stopped.ns).result(60)
    stopped.podding.go.clear()
    stopped.podding.reached.clear()
    stopped.cell("a[0] = 0")
    future = stopped.stop()
    assert not stopped.waits(lambda: stopped.cell("b.append(3)"))
    assert stopped.store.load(future)["b"] == [2]


def test_what_leads_to_what_is_encoded_is_locked_though_it_is_not_written(stopped: Stopped) -> None:
    stopped.podding.go.set()
    stopped.store.save_async(stopped.ns).result(60)
    stopped.podding.go.clear()
    stopped.podding.reached.clear()
    stopped.cell("a[0] = 0")
    future = stopped.stop()
    assert stopped.waits(lambda: stopped.cell("t[0].append(8)"))
    assert stopped.store.load(future)["a"] == [0, 2, 3, 4, 5, 6, 7]


def test_all_names_may_be_locked(tmp_path: Path) -> None:
    with Stopped(tmp_path / "store", lock="all") as notebook:
        notebook.cell(_STATE)
        notebook.stop()
        assert notebook.waits(lambda: notebook.cell("n"))


def test_a_cell_that_only_reads_does_not_wait(tmp_path: Path) -> None:
    with Stopped(tmp_path / "store", ascc=True) as notebook:
        notebook.cell(_STATE)
        notebook.stop()

        def use() -> None:
            with notebook.store.cell("len(a)", notebook.ns) as static:
                assert static
                notebook.cell("len(a)")

        assert not notebook.waits(use)


HOLDERS = {
    "a reference from elsewhere": ("a = [1, 2, 3, 4, 5, 6, 7]", lambda ns: dict.__getitem__(ns, "a")),
    "one to what is inside": ("a = [0, [1, 2, 3, 4, 5, 6, 7]]", lambda ns: dict.__getitem__(ns, "a")[1]),
    "an iterator": ("a = [1, 2, 3, 4, 5, 6, 7]", lambda ns: iter(dict.__getitem__(ns, "a"))),
    "a function": ("a = [1, 2, 3, 4, 5, 6, 7]\ndef f(x=a): pass", lambda ns: None),
    "an object that runs code": (
        "class C:\n def __reduce__(self): return C, ()\nc = C(); c.x = a = [1, 2, 3, 4, 5, 6, 7]",
        lambda ns: None,
    ),
    "a view of the memory": (
        "a = [bytearray(9), 2, 3, 4, 5, 6, 7]",
        lambda ns: memoryview(dict.__getitem__(ns, "a")[0]),
    ),
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_what_somebody_else_could_change_is_encoded_before_the_call_returns(
    kind: str, tmp_path: Path
) -> None:
    source, hold = HOLDERS[kind]
    with Stopped(tmp_path / "store") as notebook:
        notebook.cell(source)
        held = hold(notebook.ns)
        before = portray(notebook.ns)
        future = notebook.store.save_async(notebook.ns)
        notebook.cell("a.clear()")
        assert notebook.remember(future.result(60), before) == 1
        assert not notebook.podding.reached.is_set()
        assert differences(before, portray(notebook.store.load(1))) == []
        del held


def test_b8_the_published_form_takes_what_is_changed_meanwhile(tmp_path: Path) -> None:
    for fidelity, expected in (("fixed", [1, 2, 3, 4, 5, 6, 7]), ("paper", [1, 2, 3, 4, 5, 6, 7, "later"])):
        with Stopped(tmp_path / fidelity, fidelity=fidelity) as notebook:
            notebook.cell("a = [1, 2, 3, 4, 5, 6, 7]")
            held = dict.__getitem__(notebook.ns, "a")
            future = notebook.store.save_async(notebook.ns)
            if fidelity == "paper":
                assert notebook.podding.reached.wait(60)
            held.append("later")
            notebook.podding.go.set()
            assert notebook.store.load(future)["a"] == expected


def test_a_plain_dict_has_no_locks(tmp_path: Path) -> None:
    with Stopped(tmp_path / "store") as notebook:
        plain = {"a": [1, 2, 3, 4, 5, 6, 7]}
        future = notebook.store.save_async(plain)
        plain["a"].clear()
        assert notebook.store.load(future)["a"] == [1, 2, 3, 4, 5, 6, 7]
        assert not notebook.podding.reached.is_set()


def test_b5_what_cannot_be_saved_leaves_nothing_locked(tmp_path: Path) -> None:
    for fidelity in ("fixed", "paper"):
        with Notebook(tmp_path / fidelity, mode="thread-deferred", fidelity=fidelity) as notebook:
            notebook.cell("g = (x for x in [1]); l = [1]")
            report = notebook.store.save_async(notebook.ns).result(60)
            assert [(each.name, each.type) for each in report.unsaved] == [("g", "generator")]
            notebook.cell("l.append(next(g))")
            assert notebook.store.load(notebook.store.save_async(notebook.ns))["l"] == [1, 1]


def test_a_save_that_fails_leaves_nothing_locked(tmp_path: Path) -> None:
    disk = BrokenDisk()
    with Stopped(tmp_path / "store", io=disk) as notebook:
        notebook.cell(_STATE)
        future = notebook.stop()
        disk.fill()
        notebook.podding.go.set()
        assert isinstance(future.exception(60), pod.StoreFull)
        notebook.cell("a.append(8)")
        disk.mend()
        notebook.save()
        notebook.check()


def test_a_save_that_is_interrupted_leaves_nothing_locked(tmp_path: Path) -> None:
    source = (
        "class Stop:\n def __reduce__(self): raise KeyboardInterrupt\na = [1, 2, 3, 4, 5, 6, 7]; s = Stop()"
    )
    with Stopped(tmp_path / "store") as notebook:
        notebook.cell(source)
        with pytest.raises(KeyboardInterrupt):
            notebook.store.save_async(notebook.ns)
        notebook.cell("a.append(8); del s")
        notebook.podding.go.set()
        notebook.save()
        notebook.check()


def test_a_thread_that_cannot_start_leaves_nothing_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Stopped(tmp_path / "store") as notebook:
        notebook.cell(_STATE)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            error = notebook.store.save_async(notebook.ns).exception()
        assert repr(error) == repr(RuntimeError("can't start new thread"))
        notebook.cell("a.append(8)")
        notebook.podding.go.set()
        notebook.save()
        notebook.check()


def test_b6_a_load_waits_for_a_save_that_encodes(stopped: Stopped) -> None:
    future = stopped.stop()
    loaded: list[object] = []
    assert stopped.waits(lambda: loaded.append(stopped.store.load(future)["a"]))
    assert loaded == [[1, 2, 3, 4, 5, 6, 7]]


def test_close_waits_and_leaves_nothing_locked(stopped: Stopped) -> None:
    future = stopped.stop()
    assert stopped.waits(stopped.store.close)
    assert future.done()
    stopped.cell("a.append(8)")
    assert stopped.ns["a"][-1] == 8


def test_the_next_save_waits_and_says_so(stopped: Stopped) -> None:
    first = stopped.stop()
    stopped.ns["n"] = 6
    assert stopped.waits(lambda: stopped.store.save(stopped.ns))
    assert stopped.store.load(first)["n"] == 5
    assert len(stopped.store.take_waits().join_s) == 1


def test_a_process_that_is_forked_meanwhile_is_not_kept_waiting(stopped: Stopped) -> None:
    stopped.stop()
    child = os.fork()
    if child == 0:
        os._exit(7 if stopped.ns["a"] == [1, 2, 3, 4, 5, 6, 7] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_what_is_bound_anew_meanwhile_is_in_the_next_save(stopped: Stopped) -> None:
    stopped.cell("b = {}; f = lambda: b")
    before = portray(stopped.ns)
    future = stopped.stop()
    stopped.cell("f = [3]; n = 7; new = f")
    stopped.podding.go.set()
    stopped.remember(future.result(60), before)
    stopped.save()
    stopped.cell("new.append(1); a.append(2)")
    stopped.save()
    stopped.check()


@pytest.mark.parametrize("option", ["mode", "lock", "tracking", "fidelity"])
def test_options_that_nobody_knows_are_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(pod.InvalidArgument, match=f"{option} cannot be 'other'; known are: "):
        pod.open(tmp_path / "store", **{option: "other"})


def test_a_mode_that_nobody_knows_is_refused(stopped: Stopped) -> None:
    with pytest.raises(pod.InvalidArgument, match="known are: sync, auto, fork, thread, thread-deferred"):
        stopped.store.save_async(stopped.ns, mode="later")
    assert stopped.store.log() == []


def test_options_without_effect_are_known(tmp_path: Path) -> None:
    def effective(mode: str, **options: Any) -> dict[str, str]:
        with pod.open(tmp_path / "store", **options) as store:
            return store.effective(mode)

    assert effective("thread", lock="all") == {"mode": "thread", "lock": "no effect", "ascc": "False"}
    assert effective("thread-deferred", lock="all")["lock"] == "all"
    assert effective("thread", fidelity="paper")["mode"] == "thread-deferred"
    assert effective("sync", tracking="all", ascc=True)["ascc"] == "no effect"
    assert effective("thread-deferred", tracking="all", ascc=True)["ascc"] == "True"
    with pod.open(tmp_path / "store", mode="sync") as store:
        assert store.effective()["mode"] == "sync"
    with pod.open(f"memory://{tmp_path}") as store:
        assert store.effective("fork")["mode"] == store.effective("auto")["mode"] == "thread"
