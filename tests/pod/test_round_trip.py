"""Kinds of objects: each comes back as it was, in this process and in a fresh one, or is reported by name."""

from __future__ import annotations

import importlib.util
import io
import mmap
import socket
import sqlite3
from pathlib import Path

import pytest

from harness.oracle import differences, portray
from tests.pod.kinds import LIBRARIES, MUST, RESOURCES
from tests.pod.notebook import Notebook, run_python

_DIGESTS = """
import sys, pod
from harness.oracle import portray
for folder in sys.stdin.read().split():
    with pod.open(folder, create=False) as store:
        print(portray(store.load(store.log()[0].tid)).digest())
"""


@pytest.mark.parametrize("kind", MUST)
def test_a_kind_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(MUST[kind])
        tid = notebook.save()
        assert notebook.reports[tid].unsaved == ()
        assert notebook.versions[tid].opaque == ()
        notebook.cell("another = [1]")
        notebook.save()
        notebook.check()


@pytest.mark.parametrize("kind", MUST)
def test_a_kind_that_was_loaded_saves_again_as_it_was(kind: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(MUST[kind])
        first = notebook.save()
        notebook.ns = notebook.store.load(first)
        again = notebook.save()
        assert differences(notebook.versions[first], notebook.versions[again]) == []
        assert notebook.reports[again].pods_new == 0
        full = notebook.save(full=True)
        assert notebook.reports[full].pods_new == 0
        notebook.check()


@pytest.mark.timeout(300)
def test_every_kind_comes_back_in_a_fresh_process(tmp_path: Path) -> None:
    expected = []
    for number, source in enumerate(MUST.values()):
        with Notebook(tmp_path / str(number)) as notebook:
            notebook.cell(source)
            expected.append(notebook.versions[notebook.save()].digest())
    folders = "\n".join(str(tmp_path / str(number)) for number in range(len(MUST)))
    done = run_python(_DIGESTS, env={"PYTHONHASHSEED": "3"}, stdin=folders)
    wrong = [kind for kind, then, now in zip(MUST, expected, done.stdout.split(), strict=True) if then != now]
    assert wrong == []


@pytest.mark.parametrize("kind", [*RESOURCES, *LIBRARIES])
def test_what_cannot_be_saved_is_named_and_the_rest_is_saved(kind: str, tmp_path: Path) -> None:
    source = RESOURCES.get(kind) or LIBRARIES[kind]
    if kind in LIBRARIES:
        pytest.importorskip(kind.split(maxsplit=1)[0])
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(source, "rest = [1, {'k': (2,)}]; also = rest")
        tid = notebook.save()
        report = notebook.reports[tid]
        loaded = notebook.store.load(tid)
        assert loaded["rest"] == [1, {"k": (2,)}]
        assert loaded["also"] is loaded["rest"]
        for unsaved in report.unsaved:
            assert unsaved.name not in {"rest", "also"}
            assert unsaved.type
            assert unsaved.reason
            assert unsaved.name not in loaded
        whole = notebook.versions[tid]
        exact = kind not in {"jsonschema", "matplotlib"}  # maps without order; counters of the process
        sure = [name for name in whole.names if exact and not whole.reaches_opaque(name)]
        assert differences(whole, portray(loaded, sure), sure) == []
        for value in list(notebook.ns.values()):
            if isinstance(value, io.IOBase | socket.socket | mmap.mmap | sqlite3.Connection):
                value.close()


@pytest.mark.parametrize("kind", [kind for kind in LIBRARIES if kind not in {"jsonschema", "matplotlib"}])
def test_a_library_s_objects_come_back_as_they_were(kind: str, tmp_path: Path) -> None:
    pytest.importorskip(kind.split(maxsplit=1)[0])
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(LIBRARIES[kind])
        tid = notebook.save()
        assert notebook.reports[tid].unsaved == ()
        notebook.check()


def test_a_figure_comes_back_and_draws_the_same(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(LIBRARIES["matplotlib"])
        tid = notebook.save()
        assert notebook.reports[tid].unsaved == ()
        loaded = notebook.store.load(tid)
        assert loaded["a"].figure is loaded["x"]
        assert loaded["l"][0].axes is loaded["a"]
        assert _pixels(loaded["x"]) == _pixels(notebook.ns["x"])


def test_a_validator_comes_back_and_validates(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(LIBRARIES["jsonschema"])
        loaded = notebook.store.load(notebook.save())
        assert loaded["x"].is_valid({})
        assert not loaded["x"].is_valid([])


def _pixels(figure: object) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return bytes(canvas.buffer_rgba())


def test_frames_do_not_write_into_each_other(tmp_path: Path) -> None:
    """pandas shares memory behind copy-on-write; what is loaded must not share what is written to."""
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(
            "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 'b': [3, 4]}); s = df['a']; d = df[['b']]"
        )
        loaded = notebook.store.load(notebook.save())
        loaded["s"].iloc[0] = 99
        loaded["d"].iloc[0, 0] = 77
        assert loaded["df"]["a"].tolist() == [1, 2]
        assert loaded["df"]["b"].tolist() == [3, 4]


def test_what_is_loaded_can_be_used(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(
            "import itertools\n"
            "counter = itertools.count(3); next(counter)\n"
            "total = 0\n"
            "def add(n):\n global total\n total += n\n return total\n"
            "class A:\n def m(self): return 'A'\n"
            "class B(A):\n def m(self): return super().m() + 'B'\n"
            "b = B()\n"
            "def gen(n):\n for i in range(n): yield add(i)\n"
        )
        loaded = notebook.store.load(notebook.save())
        assert next(loaded["counter"]) == 4
        assert loaded["add"](5) == loaded["total"] == 5
        assert loaded["b"].m() == "AB"
        assert list(loaded["gen"](3)) == [5, 6, 8]
        assert notebook.ns["total"] == 0
        exec("class C(B): pass\nc = C().m()", loaded)
        assert loaded["c"] == "AB"


def test_a_part_brings_what_its_functions_read(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("x = [1]; y = [2]\ndef f(): return x\ndef g(): return f() + [3]")
        loaded = notebook.store.load(notebook.save(), names=["g"])
        assert loaded["g"]() == [1, 3]
        assert not {"x", "y", "f"} & set(loaded)


def test_extras_are_here() -> None:
    """The libraries of the harness extra are installed with the development tools: their rows were run."""
    assert all(
        importlib.util.find_spec(name) for name in ("numpy", "pandas", "scipy", "skimage", "PIL", "networkx")
    )
