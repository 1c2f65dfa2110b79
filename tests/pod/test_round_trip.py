"""Kinds of objects: each comes back as it was, in this process and in a fresh one, or is reported by name."""

from __future__ import annotations

import importlib.util
import io
import mmap
import socket
import sqlite3
import sys
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
        # From scipy 1.18 on, its `__setstate__` sets the attributes in an order of its own.
        if kind != "scipy: interpolation":
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


WITH_LOCKS = {
    "event": "x = threading.Event()\ny = x",
    "event that is set": "x = threading.Event(); x.set(); y = [x, x._cond]",
    "event that was waited for": "x = threading.Event(); x.wait(0.001)",
    "condition": "x = threading.Condition()",
    "semaphore": "x = threading.Semaphore(3); x.acquire()",
    "barrier": "x = threading.Barrier(2)",
    "queue": "import queue\nx = queue.Queue(); x.put([1])",
}


@pytest.mark.parametrize("kind", WITH_LOCKS)
def test_what_has_a_lock_that_nobody_holds_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("import threading\n" + WITH_LOCKS[kind])
        tid = notebook.save()
        assert notebook.reports[tid].unsaved == ()
        whole = notebook.versions[tid]
        for names in (whole.names, ["x"]):
            assert differences(whole, portray(notebook.store.load(tid, names=names), names), names) == []


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


@pytest.mark.parametrize(
    "source",
    [
        "class T: pass\nT.it = q = T(); del T",
        "class T: held = []\nq = T(); q.x = s = T.held; s.append(q); del T",
        "class T(list): pass\nT.it = q = T([1]); r = [q]; del T",
        "class T: pass\nq = T(); r = [q]",
    ],
)
def test_an_instance_that_its_class_holds_is_saved_again(source: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.run(
            source,
            "q.y = [1]",
            "type(q).it = q; del globals()['T']" if " del T" not in source else "q",
            "q.y.append(2)",
        )
        notebook.save(full=True)
        notebook.check()
        notebook.ns = notebook.store.load(max(notebook.versions))
        notebook.save(full=True)
        notebook.check()


def test_what_iterates_over_a_column_goes_on_over_it_where_its_frame_is_gone(tmp_path: Path) -> None:
    """Such a column's array is a view, and yet no other frame shares its memory."""
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("import pandas as pd\ns = pd.DataFrame({'x': [1, 2], 'y': [3, 4]})['x']; i = iter(s)")
        loaded = notebook.store.load(notebook.save())
        notebook.check()
        loaded["s"].iloc[0] = 9
        assert list(loaded["i"]) == [9, 2]


def test_what_iterates_over_a_column_goes_on_with_its_values(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(
            "import pandas as pd\ndf = pd.DataFrame({'x': [1, 2], 'y': [3, 4]}); s = df['x']; i = iter(s)"
        )
        loaded = notebook.store.load(notebook.save())
        notebook.check()
        loaded["s"].iloc[0] = 9
        assert list(loaded["i"]) == [1, 2]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with Python 3.12")
def test_type_parameters_keep_how_they_vary_and_their_default(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("class C[T]: pass\ndef f[S: (int, str)](x: S) -> S: return x")
        if sys.version_info >= (3, 13):
            notebook.cell(
                "import typing\nD = typing.TypeVar('D', default=None)\nclass G[T = list[int]]: pass"
            )
        loaded = notebook.store.load(notebook.save())
        assert loaded["C"].__type_params__[0].__infer_variance__
        assert loaded["f"].__type_params__[0].__constraints__ == (int, str)
        assert not loaded["f"].__type_params__[0].__covariant__
        if sys.version_info >= (3, 13):
            assert loaded["D"].__default__ is None
            assert loaded["G"].__type_params__[0].__default__ == list[int]
            assert not loaded["C"].__type_params__[0].has_default()


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


_EQUAL = {
    "enum with __init__": (
        "(E.A.a, E.B.a, E((1, 2)) is E.C is E.A, e[1] is e[0].a)",
        "code: enum with __init__",
    ),
    "enum with __new__": ("(E.A.v, E.B.value, E(20) is E.B, e is E.A)", "code: enum with __new__"),
    "enum of bytes": ("(E.A.label, E.B == bytes([2]), E(2) is E.B is e)", "code: enum of bytes"),
    "enum of a base with __init__": ("(E.A.w, e is E.A)", "code: enum of a base with __init__"),
    "enum with _missing_": ("(E(99) is E.A is e, e.twice)", "code: enum with _missing_"),
    "enum whose members refer to members": (
        "e.other.other is e",
        "code: enum whose members refer to members",
    ),
    "flag that keeps": ("(F(9).value, f is F.D, list(F))", "code: flag that keeps"),
    "class with __init_subclass__": ("(B.z, type(b) is B)", "code: class with __init_subclass__"),
    "classes that register": ("(len(reg), reg[0][0] is B, reg[0][1])", "code: classes that register"),
    "hooks run later": (
        "type('D', (A,), {}, z=5).z",
        "code: class with __init_subclass__",
    ),
    "metaclass with arguments": ("(A.z, type(A) is M)", "code: metaclass with arguments"),
    "typed dict": ("(P.__total__, Q.__required_keys__, P(f=1), q)", "code: typed dict"),
    "descriptor with __set_name__": ("vars(A)['f'].names", "code: descriptor with __set_name__"),
    "hash of what is set later": (
        "(k in k.s, k.d[k], [type(key) is K for key in k.d])",
        "code: hash of what is set later",
    ),
    "dict of an instance with slots": ("(d is a.__dict__, a.x)", "identity: dict of an instance with slots"),
    "dict of an exception": ("d is e.__dict__", "identity: dict of an exception"),
    "dict of a function": ("d is f.__dict__", "identity: dict of a function"),
    "empty dict of a function": ("d is f.__dict__", "def f(): pass\nd = f.__dict__"),
    "globals of a function": (
        "(env['g'].__globals__ is env, env['g']() is x)",
        "identity: globals of a function",
    ),
    "dict that is made globals": ("g.__globals__ is h", "identity: dict that is made globals"),
    "variables of a module": (
        "(g.__globals__ is vars(m), g is m.g, g() is m.x is x)",
        "identity: variables of a module",
    ),
    "ctypes array": (
        "(list(x), type(x) is T, x._length_)",
        "import ctypes\nT = ctypes.c_int * 3; x = T(1, 2, 3)",
    ),
    "structure": (
        "(p.x, list(p.y), p.z, bytes(p), p.sum(), P.one.x, [*dict(P._fields_)], ctypes.sizeof(P))",
        "import ctypes\nclass P(ctypes.Structure):\n _pack_ = 1\n _fields_ = [('x', ctypes.c_char), ('y', ctypes.c_int * 2)]\n"
        " def sum(s): return sum(s.y)\np = P(b'a', (2, 3)); p.z = [1]; P.one = P(b'b')",
    ),
    "structure in a structure": (
        "(p.i, q.i, q.b, bytes(q), type(q).__mro__[1] is P, type(p.u) is U, made)",
        "import ctypes\nclass U(ctypes.Union): _fields_ = [('i', ctypes.c_int), ('f', ctypes.c_float)]\n"
        "class P(ctypes.Structure):\n _anonymous_ = ['u']; _fields_ = [('u', U)]\n def __init_subclass__(cls): made.append(1)\nmade = []\n"
        "class Q(P): _fields_ = [('b', ctypes.c_int, 3)]\np = P(); p.i = 7; q = Q(); q.i = 8; q.b = 2",
    ),
    "structure with pointers to its like": (
        "(A is ctypes.POINTER(N), A._type_ is N, type(N().next) is A, ctypes.sizeof(N))",
        "import ctypes\nclass N(ctypes.Structure): pass\nA = ctypes.POINTER(N); N._fields_ = [('v', ctypes.c_int), ('next', A)]",
    ),
    "structure of the other byte order": (
        "(p.x, list(p.y), bytes(p))",
        "import ctypes\nclass P(ctypes.BigEndianStructure): _fields_ = [('x', ctypes.c_short), ('y', ctypes.c_int * 2)]\np = P(1, (2, 3))",
    ),
    "types of ctypes": (
        "(i.value, type(i) is I, w[1].value, callback._argtypes_[0] is I, k)",
        "import ctypes\nclass I(ctypes.c_int): pass\ni = I(3); callback = ctypes.CFUNCTYPE(ctypes.c_int, I); k = type(ctypes.Structure)\n"
        "class V(ctypes.Array): _type_ = I; _length_ = 2\nw = V(I(1), I(2))",
    ),
    "iterator of a dict's values": ("next(i) is d['a']", "d = {'a': [1]}; i = iter(d.values())"),
    "iterator of a dict's items": ("next(i)[1] is d['a']", "d = {'a': [1]}; i = iter(d.items())"),
    "iterator of a set": ("next(i) in s", "class K: pass\ns = {K()}; i = iter(s)"),
    "what another object holds": (
        "c.held is b.held",
        "class B: pass\nclass C:\n def __init__(s, b): s.b = b\n def __reduce__(s): return make, (s.b.held,)\n"
        "def make(held):\n c = C(None); c.held = held\n return c\nb = B(); b.held = [1]; c = C(b); c.held = b.held",
    ),
    "a namespace that was loaded": (
        "(o['f'].__globals__ is o, o['f'](), o['x'])",
        "import pod\no = pod.new_managed_namespace()\nexec('x = 1\\ndef f():\\n global x\\n x += 1', o)\n"
        "del o['__builtins__']",
    ),
    "matrix": ("(np.shares_memory(m, a), np.shares_memory(b, w), type(w))", "numpy: matrix"),
    "windows": ("(np.shares_memory(a, w), w.flags.writeable)", "numpy: windows"),
    "record, view": ("(np.shares_memory(a, r), np.shares_memory(x, a), type(r))", "numpy: record, view"),
}


@pytest.mark.parametrize("kind", _EQUAL)
def test_what_is_loaded_answers_as_what_was_saved(kind: str, tmp_path: Path) -> None:
    expression, source = _EQUAL[kind]
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(MUST.get(source, source))
        tid = notebook.store.save(notebook.ns)
        assert tid.unsaved == ()
        expected = repr(eval(expression, dict(notebook.ns)))
        assert repr(eval(expression, dict(notebook.store.load(tid)))) == expected


@pytest.mark.parametrize(
    "source",
    [
        "x = P(1, ctypes.pointer(y))",
        "x = ctypes.pointer(y)",
        "x = ctypes.CFUNCTYPE(None)(print)",
    ],
)
def test_a_pointer_is_named(source: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(
            "import ctypes\nclass P(ctypes.Structure): _fields_ = [('v', ctypes.c_int), ('p', ctypes.POINTER(ctypes.c_int))]\n"
            "y = ctypes.c_int(1)",
            source,
        )
        report = notebook.store.save(notebook.ns)
        assert [(each.name, "pointers cannot be" in each.reason) for each in report.unsaved] == [("x", True)]
        assert notebook.store.load(report)["y"].value == 1


@pytest.mark.timeout(60)
def test_what_is_reduced_to_itself_without_end_is_named(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("class X:\n def __reduce__(self): return list, ([self],)\nx = X(); z = 1")
        report = notebook.store.save(notebook.ns)
        assert [unsaved.name for unsaved in report.unsaved] == ["x"]
        assert "without end" in report.unsaved[0].reason
        assert notebook.store.load(report)["z"] == 1


def test_extras_are_here() -> None:
    """The libraries of the harness extra are installed with the development tools: their rows were run."""
    assert all(
        importlib.util.find_spec(name) for name in ("numpy", "pandas", "scipy", "skimage", "PIL", "networkx")
    )
