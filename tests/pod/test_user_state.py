"""Saving and loading change nothing of the user's."""

from __future__ import annotations

import contextlib
import copyreg
import decimal
import gc
import io
import os
import pickle
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import pod
from harness.oracle import differences, portray
from tests.pod.notebook import Notebook, run_python

_CELL = """
import numpy as np, random
class C:
    def __init__(self): self.x = [1]
def f(y=[2]): return C, y
a = [C() for _ in range(300)]; b = {'a': a, 'n': np.arange(1000)}; c = (a, b); r = random.Random(3)
"""
_BAD = """
g = (i for i in a)
class Bad:
    def __reduce__(self): raise RuntimeError("no")
bad = [Bad()]
"""


def _state() -> dict[str, object]:
    """What a program may have set up, and would miss."""
    return {
        "random": random.getstate(),
        "numpy random": repr(np.random.get_state()),
        "numpy errors": np.geterr(),
        "warning filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "pickle": {name: id(value) for name, value in vars(pickle).items()},
        "pickler": {name: id(value) for name, value in vars(pickle.Pickler).items()},
        "copyreg": {key: id(value) for key, value in copyreg.dispatch_table.items()},
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), list(gc.callbacks), gc.get_freeze_count()),
        "hooks": (sys.excepthook, sys.displayhook, sys.gettrace(), sys.getprofile(), sys.unraisablehook),
        "threads": threading.active_count(),
        "stack size": threading.stack_size(),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "decimal": repr(decimal.getcontext()),
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "main": {name: id(value) for name, value in vars(sys.modules["__main__"]).items()},
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "umask": _umask(),
        "files": sorted(Path("/proc/self/fd").iterdir()),
    }


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _unchanged() -> Iterator[None]:
    before = _state()
    yield
    after = _state()
    changed = [name for name in before if before[name] != after[name]]
    assert changed == []


def _sync(notebook: Notebook) -> None:
    notebook.store.save(notebook.ns)


def _full(notebook: Notebook) -> None:
    notebook.store.save(notebook.ns, full=True)


def _async(notebook: Notebook) -> None:
    notebook.store.save_async(notebook.ns).result(60)


def _thread(notebook: Notebook) -> None:
    notebook.store.save_async(notebook.ns, mode="thread").result(60)


def _load(notebook: Notebook) -> None:
    notebook.store.load(1 if not notebook.store.log() else notebook.store.log()[0].tid)


_WAYS: tuple[Callable[[Notebook], None], ...] = (_sync, _full, _async, _thread, _load)


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("cell", [_CELL, _CELL + _BAD])
def test_the_process_is_as_it_was(way: Callable[[Notebook], None], cell: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(cell)
        notebook.store.save(notebook.ns)  # the first save opens files and imports modules
        way(notebook)
        notebook.cell("a.append(1)")
        with _unchanged():
            way(notebook)


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_is_on_or_off_as_before(collecting: bool, tmp_path: Path) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        with Notebook(tmp_path / "store") as notebook:
            notebook.cell(_CELL + _BAD)
            for way in _WAYS:
                way(notebook)
                assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()


def test_the_user_s_objects_are_as_they_were(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_CELL)
        before = portray(notebook.ns)
        objects = {name: dict.__getitem__(notebook.ns, name) for name in before.names}
        order = list(dict.keys(notebook.ns))
        counts = {name: sys.getrefcount(value) for name, value in objects.items()}
        for way in _WAYS:
            way(notebook)
        assert differences(before, portray(notebook.ns)) == []
        assert all(dict.__getitem__(notebook.ns, name) is value for name, value in objects.items())
        notebook.store.close()
        gc.collect()
        growth = {name: sys.getrefcount(value) - counts[name] for name, value in objects.items()}
        assert {name: more for name, more in growth.items() if more > 2} == {}
        assert list(dict.keys(notebook.ns)) == order


def test_saving_keeps_nothing_alive(tmp_path: Path) -> None:
    """What the user deleted is freed after the next save at the latest."""
    import weakref

    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("class C: pass\nc = C(); l = [c]")
        watched = weakref.ref(dict.__getitem__(notebook.ns, "c"))
        notebook.save()
        notebook.cell("del c, l")
        notebook.save()
        gc.collect()
        assert watched() is None


def test_a_plain_mapping_is_only_read(tmp_path: Path) -> None:
    plain = {"a": [1], "b": {"k": (1,)}}
    with pod.open(tmp_path / "store") as store:
        store.save(plain)
        assert plain == {"a": [1], "b": {"k": (1,)}}
        assert list(plain) == ["a", "b"]


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_CELL + _BAD)
        for way in _WAYS:
            way(notebook)
    assert capfd.readouterr() == ("", "")


def test_a_fork_does_not_write_the_user_s_buffers(tmp_path: Path) -> None:
    source = """
import sys, os, atexit, pod
atexit.register(lambda: os.write(1, b"exit\\n"))
sys.stdout.write("once\\n")
file = open(sys.argv[1] + ".txt", "w")
file.write("once")
ns = pod.new_managed_namespace()
exec("a = [1]", ns)
with pod.open(sys.argv[1]) as store:
    print(int(store.save_async(ns, mode="fork").result(60)) >= 0)
"""
    done = run_python(source, tmp_path / "store")
    assert sorted(done.stdout.split()) == ["True", "exit", "once"]
    assert (tmp_path / "store.txt").read_text() == "once"


def test_importing_pod_changes_nothing() -> None:
    source = """
import pickle, copyreg, random, re, typing, warnings, sys, gc, threading  # re and typing register reducers of their own
state = lambda: (dict(vars(pickle)), dict(copyreg.dispatch_table), random.getstate(), list(warnings.filters),
                 sys.getrecursionlimit(), gc.isenabled(), gc.get_threshold(), threading.active_count())
before = state()
import pod
print([i for i, (a, b) in enumerate(zip(before, state())) if a != b])
"""
    assert run_python(source).stdout.strip() == "[]"


def test_unraisable_errors_are_none(tmp_path: Path) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), Notebook(tmp_path / "store") as notebook:
        notebook.cell(_CELL + _BAD)
        for way in _WAYS:
            way(notebook)
        gc.collect()
    assert said.getvalue() == ""
