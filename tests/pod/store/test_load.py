"""Loading: what code of the user's finds meanwhile, and what becomes of the rest where something cannot be built."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

import pod
from tests.pod.notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    with Notebook(tmp_path / "store") as opened:
        yield opened


_JOB = """
import threading
class Job:
    def __init__(self): self.lock = threading.Lock()
    def __getstate__(self): return {k: v for k, v in vars(self).items() if k != "lock"}
    def __setstate__(self, state): vars(self).update(state); self.lock = threading.Lock()
j = Job()
"""
_REDUCER = """
Z = 5
def make(n): return Obj(n * Z)
class Obj:
    def __init__(self, n): self.n = n
    def __reduce__(self): return make, (self.n // Z,)
a = make(2)
"""
_HASH = """
salt = 3
class Key:
    def __init__(self, n): self.n = n
    def __hash__(self): return hash((self.n, salt))
    def __eq__(self, other): return self.n == other.n
a = {Key(1)}
"""
_CHAIN = """
class C:
    def __init__(self, after): self.after = after
    def __getstate__(self): return self.after
    def __setstate__(self, after): self.after = after; self.seen = globals()[after] if after else None
a, b, c = C("b"), C("c"), C("")
a.seen, b.seen, c.seen = b, c, None
"""
_REGISTRY = """
class C:
    def __init__(self, key): self.key = key; registry[key] = self
    def __getstate__(self): return self.key
    def __setstate__(self, key): self.__init__(key)
registry = {}
a = C("a")
"""
_ITSELF = """
class C:
    def __init__(self): self.all = all_of_them
    def __getstate__(self): return 1
    def __setstate__(self, state): self.__init__()
all_of_them = {}
all_of_them["c"] = C()
"""
_HALF_READ = """
class C:
    def __init__(self): self.all = those
    def __getstate__(self): return 1
    def __setstate__(self, state): self.__init__()
those = []
a = (1, C())
those.append(a)
"""


@pytest.mark.parametrize(
    ("source", "names", "expression"),
    [
        (_JOB, ["j"], "type(j.lock).__name__ == 'lock'"),
        (_REDUCER, ["a"], "a.n == 10"),
        (_HASH, ["a", "Key"], "Key(1) in a"),
        (_CHAIN, ["a"], "(a.seen.after, a.seen.seen.after) == ('c', '')"),
        (_REGISTRY, ["a", "registry"], "registry['a'] is a"),
        (_ITSELF, ["all_of_them"], "all_of_them['c'].all is all_of_them"),
        (_HALF_READ, ["a", "those"], "those == [a] and those[0] is a and a[1].all is those"),
    ],
)
def test_code_that_runs_while_a_version_is_loaded_finds_its_globals(
    source: str, names: list[str], expression: str, notebook: Notebook
) -> None:
    notebook.cell(source)
    assert eval(expression, notebook.ns)
    tid = notebook.store.save(notebook.ns)
    assert tid.unsaved == ()
    whole = notebook.store.load(tid)
    assert eval(expression, whole)
    assert sorted(whole) == sorted(notebook.ns)
    partial = notebook.store.load(tid, names)
    assert eval(expression, partial)
    assert list(partial) == names
    assert eval(expression, notebook.store.load(notebook.store.save(whole)))


def test_a_global_that_is_nowhere_is_a_name_error(notebook: Notebook) -> None:
    notebook.cell(
        "class C:\n    def __getstate__(self): return 1\n    def __setstate__(self, state): nowhere\n"
        "c = C(); d = [1]"
    )
    tid = notebook.store.save(notebook.ns)
    with pytest.raises(pod.CannotLoad, match=r"variable c .* NameError: name 'nowhere' is not defined"):
        notebook.store.load(tid, ["c"])
    assert notebook.store.load(tid, ["d"]) == {"d": [1]}


def test_what_code_changed_while_it_was_loaded_is_in_the_next_save(notebook: Notebook) -> None:
    notebook.cell(
        "class C:\n    def __getstate__(self): return 1\n    def __setstate__(self, state): made.append(state)\n"
        "made = [0]; c = C()"
    )
    loaded = notebook.store.load(notebook.store.save(notebook.ns))
    assert loaded["made"] == [0, 1]
    loaded = notebook.store.load(notebook.store.save(notebook.ns))
    again = notebook.store.save(loaded)
    assert notebook.store.load(again, ["made"])["made"] == [0, 1]


def test_names_mean_what_the_version_says_whatever_code_bound_meanwhile(notebook: Notebook) -> None:
    notebook.cell(
        "class C:\n    def __getstate__(self): return 1\n"
        "    def __setstate__(self, state):\n        global a, z\n        a += 1; z += 1\n"
        "a = z = 1; c = C()"
    )
    tid = notebook.store.save(notebook.ns)
    whole = notebook.store.load(tid)
    assert list(whole) == ["C", "a", "c", "z"]
    assert (whole["a"], whole["z"]) == (1, 1)
    partial = notebook.store.load(tid, ["c", "a"])
    assert list(partial) == ["c", "a"]
    assert partial["a"] == 1


_BAD = """
class Bad:
    def __reduce__(self): return _fail, ()
def _fail(): raise RuntimeError("no\\nmore")
a = [1]
inner = [2]
bad = [a, Bad()]
cycle = [bad]
cycle.append(cycle)
d = [a]
"""


def test_what_cannot_be_built_is_reported_and_the_rest_is_loaded(notebook: Notebook) -> None:
    notebook.cell(_BAD)
    tid = notebook.store.save(notebook.ns)
    with pytest.warns(pod.UnloadedWarning, match=r"bad \(RuntimeError: no\); cycle") as warned:
        loaded = notebook.store.load(tid)
    assert [warning.filename for warning in warned] == [__file__]
    assert loaded.unloaded == (
        pod.Unloaded("bad", "RuntimeError", "no"),
        pod.Unloaded("cycle", "RuntimeError", "no"),
    )
    assert sorted(loaded) == ["Bad", "_fail", "a", "d", "inner"]
    assert (loaded["a"], loaded["d"]) == ([1], [[1]])
    assert loaded["d"][0] is loaded["a"]
    for name in ("bad", "cycle"):
        with pytest.raises(pod.CannotLoad, match=f"variable {name} cannot be loaded here: RuntimeError: no"):
            notebook.store.load(tid, ["a", name])
    assert notebook.store.load(tid, ["d"]).unloaded == ()


def test_the_warning_points_at_the_caller_of_the_default_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_DIR", str(tmp_path / "store"))
    namespace = pod.new_managed_namespace()
    exec(_BAD, namespace)
    tid = pod.save(namespace)
    with pytest.warns(pod.UnloadedWarning) as warned:
        pod.load(tid)
    assert [warning.filename for warning in warned] == [__file__]


_HASHED = """
class Key:
    __slots__ = ("__dict__", "n")
    def __init__(self, n): self.n = n
    def __hash__(self): return hash(self.n)
    def __eq__(self, other): return self.n == other.n
rest = [1]
"""


@pytest.mark.parametrize(
    ("source", "expression"),
    [
        ("x = frozenset([Key(1)]); k, = x", "k in x and Key(1) in x"),
        ("x = {frozenset([(Key(1), 2)]): 3}", "frozenset([(Key(1), 2)]) in x"),
        ("x = Key(1); x.all = {x: {(x,)}}", "x in x.all and (Key(1),) in x.all[x]"),
    ],
)
def test_what_is_hashed_is_found_again(source: str, expression: str, notebook: Notebook) -> None:
    notebook.cell(_HASHED, source)
    tid = notebook.store.save(notebook.ns)
    assert eval(expression, notebook.store.load(tid))


@pytest.mark.parametrize("source", ["frozenset([x])", "[frozenset([(x, 1)])]", "{frozenset([x]): 1}"])
def test_a_frozenset_that_needs_the_hash_of_what_holds_it_is_reported(
    source: str, notebook: Notebook
) -> None:
    notebook.cell(_HASHED, f"x = Key(1); x.all = {source}; y = [x.all]")
    tid = notebook.store.save(notebook.ns)
    with pytest.warns(pod.UnloadedWarning, match=r"x \(AttributeError: .* attribute 'n'\); y"):
        loaded = notebook.store.load(tid)
    assert loaded["rest"] == [1]
    assert [lost.name for lost in loaded.unloaded] == ["x", "y"]


def test_saves_go_on_from_what_was_loaded_of_it(notebook: Notebook) -> None:
    notebook.cell(_BAD)
    tid = notebook.store.save(notebook.ns)
    with pytest.warns(pod.UnloadedWarning):
        loaded = notebook.store.load(tid)
    first = notebook.store.save(loaded)
    assert sorted(notebook.store.names(first)) == ["Bad", "_fail", "a", "d", "inner"]
    assert first.pods_new == 0
    exec("a.append(d); bad = a", loaded)
    again = notebook.store.load(notebook.store.save(loaded))
    assert again["bad"] is again["a"] is again["d"][0]
    assert again["a"][1] is again["d"]
    assert notebook.store.verify() == []


def test_nothing_is_given_that_is_half_built(notebook: Notebook) -> None:
    """What others share with it lies in its pod, and is lost with it; what was read before it broke is no exception."""
    notebook.cell(
        "class Bad:\n    def __reduce__(self): return _fail, ()\n"
        "def _fail(): raise RuntimeError('no')\n"
        "shared = [1]; a = [shared, Bad(), 2]; other = [3]; user = {'a': a}"
    )
    tid = notebook.store.save(notebook.ns)
    with pytest.warns(pod.UnloadedWarning):
        loaded = notebook.store.load(tid)
    assert sorted(loaded) == ["Bad", "_fail", "other"]
    assert [lost.name for lost in loaded.unloaded] == ["a", "shared", "user"]


def test_what_needs_a_global_that_cannot_be_built_cannot_be_built(notebook: Notebook) -> None:
    notebook.cell(
        "class Bad:\n    def __reduce__(self): return fail, ()\n"
        "def fail(): raise RuntimeError('no')\n"
        "class C:\n    def __getstate__(self): return 1\n    def __setstate__(self, state): self.bad = z\n"
        "c = C(); d = 1; z = Bad()"
    )
    tid = notebook.store.save(notebook.ns)
    with pytest.warns(pod.UnloadedWarning):
        loaded = notebook.store.load(tid)
    assert [(lost.name, lost.error) for lost in loaded.unloaded] == [
        ("c", "NameError"),
        ("z", "RuntimeError"),
    ]
    assert sorted(loaded) == ["Bad", "C", "d", "fail"]


def test_a_module_that_is_missing_costs_what_needs_it(
    notebook: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    source = tmp_path / "modules" / "gone_soon.py"
    source.write_text("class Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    notebook.cell("import gone_soon; thing = [gone_soon.Thing()]; a = 1")
    tid = notebook.store.save(notebook.ns)
    source.unlink()
    del sys.modules["gone_soon"]
    importlib.invalidate_caches()
    with pytest.warns(pod.UnloadedWarning, match="thing"):
        loaded = notebook.store.load(tid)
    assert dict(loaded) == {"a": 1}
    reason = "No module named 'gone_soon'"
    assert loaded.unloaded == (
        pod.Unloaded("gone_soon", "ModuleNotFoundError", reason),
        pod.Unloaded("thing", "ModuleNotFoundError", reason),
    )


def test_an_error_that_cannot_say_what_it_is_is_known_by_its_type(notebook: Notebook) -> None:
    notebook.cell(
        "class Silent(Exception):\n    def __str__(self): raise KeyError(1)\n"
        "def _fail(): raise Silent\n"
        "class Bad:\n    def __reduce__(self): return _fail, ()\n"
        "bad = Bad()"
    )
    tid = notebook.store.save(notebook.ns)
    with pytest.warns(pod.UnloadedWarning):
        loaded = notebook.store.load(tid)
    assert loaded.unloaded == (pod.Unloaded("bad", "Silent", "Silent"),)


def test_where_memory_runs_out_nothing_is_loaded_in_part(notebook: Notebook) -> None:
    notebook.cell(_BAD.replace("RuntimeError", "MemoryError"))
    tid = notebook.store.save(notebook.ns)
    with pytest.raises(MemoryError):
        notebook.store.load(tid)
    assert notebook.store.load(tid, ["a"]) == {"a": [1]}


def test_a_damaged_version_is_not_loaded_in_part(notebook: Notebook) -> None:
    notebook.cell("a = b'x' * 100_000; b = [1]")
    tid = notebook.store.save(notebook.ns)
    path = notebook.folder / "00000001.pods"
    data = bytearray(path.read_bytes())
    data[data.index(b"x" * 1000) + 500] ^= 1
    path.write_bytes(data)
    with pytest.raises(pod.Corrupt):
        notebook.store.load(tid)


@pytest.mark.parametrize("memory", ["bytearray(b'0123456789abcdef')", "array('d', [1, 2])"])
def test_memory_that_an_array_shows_cannot_go_away_below_it_after_a_load_either(
    memory: str, tmp_path: Path
) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.run(
            f"import numpy as np\nfrom array import array\nm = {memory}; a = np.frombuffer(m, 'u2'); e = np.frombuffer(m, 'u1')[3:]"
        )
        notebook.ns = notebook.store.load(1)
        with pytest.raises(BufferError):
            notebook.cell("m.pop()")
        notebook.run("a[0] = 7", "m[1] = m[0]", "del a, e", "x = m.pop()")
