"""The defects of the published system (B1 to B16 of the reference): each was seen there, none may be here."""

from __future__ import annotations

import gc
import random
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

import pod
from harness.oracle import differences, portray
from tests.pod.notebook import Notebook, run_python

B1 = {
    "tuple": ("l = [1]; t = (l,)", "l.append(2)"),
    "tuple in a tuple": ("l = [1]; t = ((l,),)", "l.append(2)"),
    "frame in a dict": (
        "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]}); d = {'df': df}",
        "df['b'] = 2",
    ),
    "object in a frame": (
        "import pandas as pd\nl = [1]; df = pd.DataFrame({'a': [l]})",
        "l.append(2)",
    ),
    "function": ("l = [1]\ndef f(): return l", "l.append(2)"),
    "function's default": ("l = [1]\ndef f(x=l): return x", "l.append(2)"),
    "closure": ("def make(x):\n return lambda: x\nl = [1]; f = make(l)", "l.append(2)"),
    "mutated by calling": ("l = [1]\ndef f(): l.append(2)", "f()"),
    "class attribute by an instance": ("class C:\n reg = []\nc = C()", "c.reg.append(1)"),
    "class attribute by the class": ("class C:\n reg = []\nc = C()", "C.reg.append(1)"),
    "bound method": ("l = [1]; add = l.append", "add(2)"),
    "frozenset": ("class N: pass\nn = N(); s = frozenset([n])", "n.x = 1"),
    "array of objects": (
        "import numpy as np\nl = [1]; a = np.empty(1, object); a[0] = l",
        "l.append(2)",
    ),
}


@pytest.mark.parametrize("kind", B1)
def test_b1_what_connects_variables_is_followed(kind: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        first, second = notebook.run(*B1[kind])
        assert differences(notebook.versions[first], portray(notebook.store.load(second))) != []


def test_b1_instances_keep_their_class(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        *_, last = notebook.run("class C:\n reg = []\nc = C()", "c.reg.append(1)", "d = C()")
        loaded = notebook.store.load(last)
        assert type(loaded["c"]) is type(loaded["d"]) is loaded["C"]
        assert loaded["C"].reg is loaded["c"].reg


B2 = {
    "global": ("x = 1\ndef f():\n global x\n x = 5", "f()"),
    "del of a global": ("x = 1\ndef f():\n global x\n del x", "f()"),
    "update": ("x = 1", "globals().update(x=7)"),
    "get": ("x = [1]", "globals().get('x').append(2)"),
    "pop": ("x = [1]; y = [x]", "globals().pop('x').append(2)"),
    "setdefault": ("x = [1]", "globals().setdefault('x').append(2)"),
    "values": ("x = [1]", "[v.append(2) for v in list(globals().values()) if type(v) is list]"),
    "items": ("x = [1]", "[v.append(2) for k, v in list(globals().items()) if k == 'x']"),
    "copy": ("x = [1]", "globals().copy()['x'].append(2)"),
    "dict": ("x = [1]", "dict(globals())['x'].append(2)"),
    "unpacking": ("x = [1]", "{**globals()}['x'].append(2)"),
    "union": ("x = [1]", "(globals() | {})['x'].append(2)"),
    "union in place": ("x = [1]", "g = globals(); g |= {'x': [2]}; del g"),
    "exec": ("x = [1]", "exec('x.append(2)', globals())"),
}


@pytest.mark.parametrize("route", B2)
def test_b2_no_route_past_the_mapping_is_lost(route: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        first, second = notebook.run(*B2[route])
        assert notebook.versions[first] != notebook.versions[second]
        assert differences(notebook.versions[first], portray(notebook.store.load(second))) != []


def test_b3_deleting_a_name_does_not_hide_what_it_changed(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        *_, last = notebook.run("a = [1]; b = [a]", "a.append(2); del a")
        assert notebook.store.load(last)["b"] == [[1, 2]]


@pytest.mark.parametrize(
    ("first", "cell"),
    [
        ("l = [0, 1, 2]", "l[l.pop(0)]"),
        ("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})", "df[df.pop('a') > 1]"),
        ("l = [3, 1]", "(l.sort() or l)[0]"),
        ("d = {}", "d.setdefault('k', [])"),
    ],
)
def test_b4_an_expression_that_mutates_is_saved(first: str, cell: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        before, after = notebook.run(first, cell)
        assert differences(notebook.versions[before], notebook.versions[after]) != []


def test_b5_an_unpicklable_variable_harms_nothing_else(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("g = (x for x in [1]); l = [1]")
        report = notebook.store.save_async(notebook.ns).result(60)
        assert [(each.name, each.type) for each in report.unsaved] == [("g", "generator")]
        assert report.unsaved[0].reason
        notebook.cell("next(g); l.append(2)")
        again = notebook.store.save(notebook.ns)
        assert notebook.store.load(report) == {"l": [1]} | _dunders(notebook.store.load(report))
        assert notebook.store.load(again)["l"] == [1, 2]


def _dunders(namespace: pod.Namespace) -> dict[str, object]:
    return {name: value for name, value in namespace.items() if name.startswith("__")}


def test_b6_the_quick_start_runs_every_time(tmp_path: Path) -> None:
    source = """
import pod
ns = pod.new_managed_namespace()
exec("shared = [1]; a = [shared]; b = {'s': shared}", ns)
t = pod.save(ns)
loaded = pod.load(t)
loaded["shared"].append(2)
assert loaded["a"][0] is loaded["b"]["s"] is loaded["shared"] and loaded["a"] == [[1, 2]], loaded
future = pod.save_async(ns)
assert pod.load(future)["a"] == [[1]]
"""
    for number in range(5):
        run_python(source, env={"POD_DIR": str(tmp_path / str(number))})
        assert (tmp_path / str(number)).is_dir()


def test_b7_versions_go_on_after_a_restart(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        old = notebook.run("x = 'old'; y = list(range(10_000))")[0]
        notebook.reopen()
        notebook.ns = notebook.store.load(old)
        notebook.cell("x = 'new'")
        new = notebook.save()
        assert new > old
        assert notebook.store.load(old)["x"] == "old"
        assert notebook.store.load(new)["x"] == "new"
        assert notebook.reports[new].bytes_written < 4096


def test_b7_equal_state_is_stored_once_across_sessions(tmp_path: Path) -> None:
    source = """
import sys, pod
ns = pod.new_managed_namespace()
exec("x = [str(i) for i in range(20_000)]; y = {i: [i] for i in range(5000)}", ns)
print(pod.open(sys.argv[1]).save(ns).pods_new)
"""
    runs = [int(run_python(source, tmp_path / "store").stdout) for _ in range(2)]
    assert runs[0] > 0
    assert runs[1] == 0


def test_b8_an_async_save_is_one_instant(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("l = [[i] for i in range(200_000)]")
        held = dict.__getitem__(notebook.ns, "l")
        future = notebook.store.save_async(notebook.ns)
        for item in held:
            item.append(True)
        loaded = notebook.store.load(future)["l"]
        assert len(loaded) == 200_000
        assert all(len(item) == 1 for item in loaded)


def test_b9_every_store_connects_what_is_shared(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        *_, last = notebook.run("a = [1]; b = [a]", "c = [a]", "a.append(2)")
        loaded = notebook.store.load(last)
        assert loaded["b"][0] is loaded["c"][0] is loaded["a"]


def test_b10_saving_draws_nothing_from_the_user_s_generators(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        random.seed(1)
        np.random.seed(1)
        expected = random.random(), np.random.random()
        random.seed(1)
        np.random.seed(1)
        notebook.cell("x = [{'k': [i]} for i in range(2000)]")
        notebook.save()
        assert (random.random(), np.random.random()) == expected


@pytest.mark.parametrize("depth", [2_000, 20_000])
def test_b11_depth_is_no_limit(depth: int, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.run(f"a = []\nfor _ in range({depth}): a = [a]", "b = [a]")
        assert notebook.versions


def test_b12_a_view_stays_a_view(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        (tid,) = notebook.run("import numpy as np\na = np.arange(10); v = a[:5]")
        loaded = notebook.store.load(tid)
        loaded["a"][0] = 99
        assert loaded["v"][0] == 99
        assert loaded["v"].base is loaded["a"]


def test_b13_saving_again_and_again_takes_nothing(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("x = [str(i) for i in range(1000)]")
        sizes = [notebook.store.save(notebook.ns).bytes_written for _ in range(50)]
        assert max(sizes[1:]) <= 4096


def test_b14_no_address_is_written(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("class C: pass\na = [C(), [C()]]; b = (a, {'k': a}); f = lambda: a")
        notebook.save()
        written = b"".join(
            path.read_bytes() for path in sorted((tmp_path / "store").rglob("*")) if path.is_file()
        )
        objects = [dict.__getitem__(notebook.ns, name) for name in ("C", "a", "b", "f")]
        for address in map(id, [*objects, *objects[1], objects[1][1][0]]):
            assert struct.pack("<Q", address) not in written
            assert struct.pack(">Q", address) not in written
            assert str(address).encode() not in written
            assert f"{address:x}".encode() not in written


def test_b15_an_address_that_is_used_again_is_another_object(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("keep = []")
        for number in range(60):
            notebook.cell(f"x = [{number}]; y = {{'k': [{number}]}}; z = ({number}, x)")
            notebook.save()
            notebook.cell("del x, y, z")
            if number % 10 == 0:
                gc.collect()
        notebook.check()
        assert len(notebook.versions) == 60


def test_b16_failing_cells_and_magics_are_only_cells(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("l = [1]")
        with pytest.raises(NameError):
            notebook.cell("l.append(2); unknown")
        notebook.cell(
            "In = ['%timeit 1']; Out = {1: 2}; _ = 1; __ = 2; ___ = 3; _1 = 4; _i1 = 'l'; _i = 'l'; _ii = ''"
        )
        tid = notebook.store.save(notebook.ns)
        loaded = notebook.store.load(tid)
        assert {name for name in loaded if not (name.startswith("__") and name.endswith("__"))} == {"l"}
        assert loaded["l"] == [1, 2]


def test_nothing_is_locked_after_a_failed_save(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("g = (x for x in [1]); l = [1]")
        notebook.store.save_async(notebook.ns).result(60)
        done = threading.Event()

        def use() -> None:
            notebook.cell("l.append(next(g))")
            done.set()

        thread = threading.Thread(target=use)
        thread.start()
        assert done.wait(30)
        thread.join()
