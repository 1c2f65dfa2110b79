"""What pod promises of seeing changes, and where it says that it does not."""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref

import pytest

from tests.pod.notebook import Notebook
from tests.pod.semantics.promises import promise


@promise(18)
@pytest.mark.parametrize(
    ("first", "touch"),
    [
        ("a = [1]; b = {'k': (a,)}", "b['k'][0].append(2)"),
        ("a = [1]; f = (lambda x: lambda: x.append(2))(a)", "f()"),
        ("a = [1]\ndef f(x=a): x.append(2)", "f()"),
        ("a = [1]\ndef f(): a.append(2)", "f()"),
        ("a = [1]\ndef f(): a.append(2)\ndef g(): f()", "g()"),
        ("a = [1]\nclass C: held = a\nc = C()", "c.held.append(2)"),
        ("a = [1]\nclass C: held = a\nclass D(C): pass\nd = D()", "type(d).held.append(2)"),
        ("a = [1]; add = a.append", "add(2)"),
        ("a = [[1]]; i = iter(a)", "next(i).append(2)"),
        ("import numpy as np\na = np.zeros(5); v = a[1:]", "v[0] = 1"),
        ("from tests.pod import workshop\nworkshop.reset(); a = workshop.box", "workshop.grow()"),
        ("from tests.pod import workshop\nworkshop.reset(); a = workshop.box; g = workshop.grow", "g()"),
        (
            "from tests.pod import workshop\nworkshop.reset(); a = [1]; workshop.box = {'a': a}",
            "workshop.box['a'].append(2)",
        ),
    ],
)
def test_what_a_touched_name_reaches_is_looked_at(first: str, touch: str, notebook: Notebook) -> None:
    before, after = notebook.run(first, touch)
    assert notebook.versions[before].digest() != notebook.versions[after].digest()


@promise(18)
def test_what_a_class_body_that_fails_reached_is_looked_at(notebook: Notebook) -> None:
    notebook.cell("p = [[1]]")
    notebook.save()
    with pytest.raises(ValueError, match="late"):
        notebook.cell("class K:\n    p.append(1)\n    raise ValueError('late')")
    notebook.save()
    notebook.check()


@promise(19)
@pytest.mark.parametrize(
    "route",
    [
        "globals()['a'].append(2)",
        "globals().get('a').append(2)",
        "globals().pop('a').append(2)",
        "globals().setdefault('a').append(2)",
        "globals().update(a=[2])",
        "globals().__ior__({'a': [2]})",
        "[v.append(2) for v in list(globals().values()) if type(v) is list]",
        "[v.append(2) for _, v in list(globals().items()) if type(v) is list]",
        "globals().copy()['a'].append(2)",
        "dict(globals())['a'].append(2)",
        "{**globals()}['a'].append(2)",
        "(globals() | {})['a'].append(2)",
        "({} | globals())['a'].append(2)",
        "exec('a.append(2)')",
        "(lambda: exec('a.append(2)'))()",
        "(lambda: eval('a.append(2)'))()",
        "exec('a.append(2)', globals(), {})",
        "vars()['a'].append(2)",
        "def f():\n global a\n a = [3]\nf(); del f",
    ],
)
def test_no_way_to_a_name_is_missed(route: str, notebook: Notebook) -> None:
    before, after = notebook.run("a = [1]; b = [a]", route)
    assert notebook.versions[before].digest() != notebook.versions[after].digest()


@promise(20)
def test_what_a_stranger_holds_is_looked_at(notebook: Notebook) -> None:
    notebook.cell("a = [[1], [2]]; b = {'a': a}")
    held = dict.__getitem__(notebook.ns, "a")[0]
    notebook.save()
    held.append("stranger")
    tid = notebook.save()
    assert notebook.store.load(tid)["a"][0] == [1, "stranger"]
    notebook.check()


@promise(20)
@pytest.mark.parametrize(
    "shown",
    [
        "df = pd.DataFrame({'a': [x, [2]]}); s = df['a']",
        "df = pd.DataFrame({'a': [x, [2]]}); e = df.astype(object)",
        "a = np.empty(1, object); a[0] = x; df = np.broadcast_to(a, (100,)); del a",
        "a = np.empty(4, object); a[:] = [x, 1, 2, 3]; df = a[::2]; del a",
    ],
)
def test_what_a_stranger_holds_in_memory_that_is_shown_twice_is_looked_at(
    shown: str, notebook: Notebook
) -> None:
    notebook.cell(f"import numpy as np, pandas as pd\nx = [1]\n{shown}")
    held = dict.__getitem__(notebook.ns, "x")
    notebook.cell("del x")
    notebook.save()
    held.append("stranger")
    tid = notebook.save()
    notebook.check()
    assert "stranger" in repr(notebook.store.load(tid)["df"])


_HIDDEN = {
    "attribute": (
        "class C:\n def __init__(s, t): s.t = t\n def __getstate__(s): return {}\ny = [1]; c = C(y)",
        "c.t.append(2)",
    ),
    "attribute that a method uses": (
        "import threading\nclass Job:\n def __init__(s, d): s.d = d; s.lock = threading.Lock()\n"
        " def add(s): s.d.append(2)\n"
        " def __getstate__(s): return {k: v for k, v in vars(s).items() if k not in ('d', 'lock')}\n"
        "y = [1]; j = Job(y)",
        "j.add()",
    ),
    "cache": (
        "import functools\ny = [1]\n@functools.lru_cache\ndef get(): return y\nget()",
        "get().append(2)",
    ),
    "cause": (
        "e = ValueError(); e.__cause__ = KeyError(); y = e.__cause__.y = [1]",
        "e.__cause__.y.append(2)",
    ),
    "cause with a name": (
        "c = KeyError(); y = c.y = [1]; e = ValueError(); e.__cause__ = c",
        "e.__cause__.y.append(2)",
    ),
    "traceback": (
        "def fail(held): 1 / 0\ny = [1]\ntry: fail(y)\nexcept ZeroDivisionError as error: e = error",
        "e.__traceback__.tb_next.tb_frame.f_locals['held'].append(2)",
    ),
    "logger": ("import logging\nlog = logging.getLogger('pod.hidden'); y = log.y = [1]", "log.y.append(2)"),
    "random": ("import random\nr = random.Random(1); y = r.y = [1]", "r.y.append(2)"),
    "from one pod to the next": (
        "class C:\n def __init__(s, t): s.t = t\n def __reduce__(s): return C, (None,)\ny = [1]; b = [C(y)]; a = [b]",
        "a[0][0].t.append(2)",
    ),
}


@promise(20)
@pytest.mark.parametrize("hidden", _HIDDEN)
def test_what_an_object_does_not_tell_that_it_holds_is_looked_at(hidden: str, notebook: Notebook) -> None:
    first, touch = _HIDDEN[hidden]
    notebook.cell(first)
    notebook.store.save(notebook.ns)
    notebook.store.save(notebook.ns)
    notebook.cell(touch)
    assert notebook.store.load(notebook.store.save(notebook.ns))["y"] == [1, 2]
    notebook.cell("y")
    notebook.store.save(notebook.ns)
    notebook.cell(touch)
    assert notebook.store.load(notebook.store.save(notebook.ns))["y"] == [1, 2, 2]


@promise(21)
def test_a_loaded_namespace_is_managed(notebook: Notebook) -> None:
    notebook.cell("a = list(range(50_000)); b = {str(i): [i] for i in range(5_000)}; c = [1]")
    first = notebook.save()
    notebook.ns = notebook.store.load(first)
    again = notebook.save()
    assert notebook.reports[again].pods_new == 0
    notebook.cell("c.append(2)")
    third = notebook.save()
    assert notebook.reports[third].bytes_written < 4096
    notebook.check()


def _at_address(address: int) -> list[object]:
    found: list[object] = ctypes.cast(address, ctypes.py_object).value
    return found


@promise(22)
def test_c_code_that_keeps_an_address_is_not_seen(notebook: Notebook) -> None:
    notebook.cell("a = [1]")
    address = id(dict.__getitem__(notebook.ns, "a"))
    notebook.save()
    _at_address(address).append(2)
    assert notebook.store.load(notebook.store.save(notebook.ns))["a"] == [1]
    notebook.cell("a")
    assert notebook.store.load(notebook.store.save(notebook.ns))["a"] == [1, 2]


@promise(23)
def test_a_thread_that_reads_past_the_methods_is_not_seen(notebook: Notebook) -> None:
    notebook.cell("a = [1]")
    notebook.save()
    thread = threading.Thread(target=lambda: dict.__getitem__(notebook.ns, "a").append(2))
    thread.start()
    thread.join()
    assert notebook.store.load(notebook.store.save(notebook.ns))["a"] == [1]
    notebook.cell("a")
    assert notebook.store.load(notebook.store.save(notebook.ns))["a"] == [1, 2]


@promise(23)
def test_what_is_put_elsewhere_past_the_methods_is_shared_once_its_variable_is_touched(
    notebook: Notebook,
) -> None:
    notebook.cell("a = [[1]]; b = []")
    notebook.save()
    notebook.cell("b.append(dict.__getitem__(globals(), 'a')[0])")
    loaded = notebook.store.load(notebook.store.save(notebook.ns))
    assert loaded["b"] == loaded["a"]
    notebook.cell("b[0].append(2); a")
    loaded = notebook.store.load(notebook.store.save(notebook.ns))
    assert loaded["a"] == [[1, 2]]
    assert loaded["b"][0] is loaded["a"][0]


@promise(24)
@pytest.mark.parametrize("way", ["weak reference", "collector"])
def test_a_reference_that_does_not_count_is_not_seen(way: str, notebook: Notebook) -> None:
    notebook.cell("class C: pass\nc = C(); c.x = 1")
    weak = weakref.ref(dict.__getitem__(notebook.ns, "c"))
    notebook.save()
    if way == "weak reference":
        weak().x = 2  # type: ignore[union-attr]
    else:
        next(each for each in gc.get_objects() if each is weak()).x = 2
    assert notebook.store.load(notebook.store.save(notebook.ns))["c"].x == 1
    notebook.cell("c")
    assert notebook.store.load(notebook.store.save(notebook.ns))["c"].x == 2


@promise(24)
@pytest.mark.parametrize("way", ["from outside", "by an exec found elsewhere"])
def test_code_with_locals_of_its_own_that_nobody_looked_up_is_not_seen(way: str, notebook: Notebook) -> None:
    notebook.cell("import builtins; a = [1]")
    notebook.save()
    if way == "from outside":
        exec("a.append(2)", notebook.ns, {})
    else:
        notebook.cell("builtins.exec('a.append(2)', globals(), {})")
    assert notebook.store.load(notebook.store.save(notebook.ns))["a"] == [1]
    notebook.cell("a")
    assert notebook.store.load(notebook.store.save(notebook.ns))["a"] == [1, 2]


@promise(25)
def test_a_full_save_looks_at_everything(notebook: Notebook) -> None:
    notebook.cell("a = [1]; b = [a]")
    address = id(dict.__getitem__(notebook.ns, "a"))
    notebook.save()
    _at_address(address).append(2)
    tid = notebook.save(full=True)
    assert notebook.store.load(tid)["a"] == [1, 2]
    notebook.check()


@promise(26)
def test_what_cannot_be_saved_is_named(notebook: Notebook) -> None:
    notebook.cell("g = (i for i in [1]); h = {'g': [g]}; a = [1]; b = [a]")
    tid = notebook.save()
    unsaved = {each.name: each for each in notebook.reports[tid].unsaved}
    assert set(unsaved) == {"g", "h"}
    assert unsaved["g"].type == "generator"
    assert unsaved["h"].type == "dict"
    assert all("generator" in each.reason for each in unsaved.values())
    loaded = notebook.store.load(tid)
    assert loaded["b"][0] is loaded["a"]
    assert "g" not in loaded
    assert "h" not in loaded


@promise(27)
def test_what_could_not_be_saved_is_saved_once_it_can(notebook: Notebook) -> None:
    notebook.cell("h = [1, (i for i in [1])]; a = [h]")
    first = notebook.save()
    assert {each.name for each in notebook.reports[first].unsaved} == {"h", "a"}
    notebook.save()
    notebook.cell("h.pop()")
    last = notebook.save()
    assert notebook.reports[last].unsaved == ()
    assert notebook.store.load(last)["a"] == [[1]]
    notebook.check()


@promise(27)
def test_what_a_variable_reaches_that_cannot_be_saved_is_looked_at(notebook: Notebook) -> None:
    notebook.cell("y = [1]; z = [y, (i for i in [1])]")
    notebook.save()
    notebook.cell("z.insert(0, (i for i in [1])); z[1].append(2)")
    assert notebook.store.load(notebook.store.save(notebook.ns))["y"] == [1, 2]
