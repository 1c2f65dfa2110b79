"""Static cells: what is passed changes nothing, and what people write to look at their data is passed."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pod
from harness.oracle import differences, portray
from pod.tracking import PublishedStaticChecker, StaticChecker
from tests.pod.notebook import Notebook
from tests.pod.programs import NAMES, PREAMBLE, statements


def _namespace() -> dict[str, Any]:
    source = (
        "import math, numpy as np, pandas as pd, random\n"
        "x = 3; s = 'text'; l = [3, 1, 2]; d = {'k': [1], 'n': {'m': (1, 2)}}; t = (1, [2]); e = {1, 2}\n"
        "a = np.arange(6.0); m = np.zeros((2, 3)); i = iter(l); o = np.array([None, [1]], dtype=object)\n"
        "df = pd.DataFrame({'a': [1, 2, 3], 'b': ['x', 'y', 'z'], 'c': [0.5, 1.5, 2.5]}); c = df['a']\n"
        "boxed = pd.DataFrame({'a': [[1], [2]]})\n"
        "class C:\n"
        "    def __init__(self): self.n = 0\n"
        "    def __repr__(self): self.n += 1; return 'C'\n"
        "    def __eq__(self, other): self.n += 1; return True\n"
        "    __hash__ = object.__hash__\n"
        "    @property\n"
        "    def size(self): self.n += 1\n"
        "    def __getitem__(self, key): self.n += 1\n"
        "    def __len__(self): self.n += 1; return 1\n"
        "    def __call__(self): self.n += 1\n"
        "class L(list):\n"
        "    def copy(self): self.append(1)\n"
        "k = C(); ks = [k]; sub = L(); default = __import__('collections').defaultdict(list)\n"
        "def f(): l.append(1)\n"
        "hooked = df.copy(); hooked.__dict__['mean'] = f\n"
        "tagged = df.copy(); tagged.attrs['k'] = k\n"
    )
    namespace = pod.new_managed_namespace()
    exec(source, namespace)
    return namespace


NAMESPACE = _namespace()

READING = [
    "",
    "x",
    "x + 1",
    "pass",
    "'a text'",
    "print(x, s, sep=', ')",
    "l",
    "len(l), max(l), sum(l)",
    "l[0]; l[1:]; l[-1]",
    "d['n']['m'][0]",
    "d.keys()",
    "d.get('k', 0)",
    "s.upper().split('E')",
    "f'{x:>5} {s!r}'",
    "sorted(l, reverse=True)",
    "[y * 2 for y in l if y > 1]",
    "{key: value for key, value in d.items()}",
    "sum(y for y in l)",
    "x if l else s",
    "x < 4 and not l",
    "e.union(l)",
    "math.sqrt(x) + math.pi",
    "a.mean(), a.std(), a.shape",
    "m.sum(axis=0)",
    "m[0, 1]; m[:, 1]; m.T",
    "np.mean(a), np.percentile(a, 50)",
    "np.sqrt(a)",
    "df",
    "df.head()",
    "df.head(2)",
    "df.describe()",
    "df.shape, df.columns, df.dtypes",
    "df['a'].mean()",
    "df[df['a'] > 1]",
    "df[['a', 'c']].corr()",
    "df.loc[0, 'a']; df.iloc[0]",
    "df.sort_values('c', ascending=False).head(2)",
    "df['b'].value_counts(normalize=True)",
    "df.isna().sum()",
    "c.nunique()",
    "print(df.info())",
    "d['missing']",
    "type(x)",
]

WRITING = [
    "y = 1",
    "x += 1",
    "(y := 1)",
    "del x",
    "l.append(1)",
    "l.sort()",
    "l.pop()",
    "l[l.pop(0)]",
    "l[0:l.pop(0)]",
    "df[df.pop('a') > 1]",
    "d[d.setdefault('z', 'k')]",
    "[l.pop() for y in l]",
    "[f() for y in l]",
    "(l.sort() or l)[0]",
    "d.setdefault('z', [])",
    "next(i)",
    "list(i)",
    "f()",
    "x if f() else l",
    "f'{f()}'",
    "f'{l.pop()}'",
    "print(f())",
    "sorted(l, key=l.pop)",
    "len(*[l.pop()])",
    "df.drop('a', axis=1, inplace=True)",
    "df.sort_values('a', inplace=True)",
    "df.sort_values('a', **d)",
    "a.sum(0, None, m)",
    "a.sum(out=m)",
    "a.conjugate(a)",
    "a.partition(1)",
    "a.sort()",
    "np.sqrt(a, a)",
    "np.add(a, a, a)",
    "np.random.rand()",
    "random.random()",
    "for y in l: pass",
    "import os",
    "def g(): pass",
    "class D: pass",
    "lambda: l",
    "with open('x') as y: pass",
    "exec('x = 1')",
    "eval('l.pop()')",
    "globals()",
    "setattr(f, 'x', 1)",
    "getattr(l, 'pop')()",
    "l.__class__",
    "k",
    "print(k)",
    "k == 1",
    "k.size",
    "k[0]",
    "len(k)",
    "k()",
    "ks",
    "1 in ks",
    "sub.copy()",
    "default[1]",
    "o",
    "boxed",
    "hooked.mean()",
    "tagged",
    "unknown",
    "unknown + l",
    "unknown(l)",
    "%timeit x",
    "!ls",
    "x?",
    "x = = 1",
    "\0",
    "(" * 500 + ")" * 500,
    "await x",
    "[y async for y in l]",
]


@pytest.mark.parametrize("source", READING)
def test_what_only_reads_is_static(source: str) -> None:
    assert StaticChecker().is_static(source, NAMESPACE)
    before = portray(NAMESPACE)
    with contextlib.suppress(KeyError), contextlib.redirect_stdout(io.StringIO()):
        exec(source, NAMESPACE)
    assert differences(before, portray(NAMESPACE)) == []


@pytest.mark.parametrize("source", WRITING)
def test_what_may_write_or_is_not_understood_is_not(source: str) -> None:
    assert not StaticChecker().is_static(source, NAMESPACE)


@pytest.mark.parametrize("checker", [StaticChecker(), PublishedStaticChecker()])
@pytest.mark.parametrize(
    "source", ["unknown", "unknown.x[0]", "%matplotlib inline", "!ls", "x?", "\0", "l[unknown"]
)
def test_b16_nothing_is_an_error(checker: StaticChecker | PublishedStaticChecker, source: str) -> None:
    assert not checker.is_static(source, {"l": [1]})


def test_names_that_hide_builtins_are_what_they_are_bound_to() -> None:
    namespace: dict[str, Any] = {"l": [1]}
    assert StaticChecker().is_static("len(l)", namespace)
    namespace["len"] = namespace["l"].pop
    assert not StaticChecker().is_static("len(l)", namespace)


def test_a_builtin_that_somebody_replaced_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr("builtins.ascii", calls.append)
    assert not StaticChecker().is_static("ascii(1)", {})
    assert calls == []


@pytest.mark.parametrize("name", ["np", "math"])
def test_a_module_of_a_known_name_must_be_that_module(name: str) -> None:
    import types

    assert not StaticChecker().is_static(f"{name}.sqrt(1)", {name: types.ModuleType(name)})
    assert StaticChecker().is_static("np.sqrt(1)", {"np": np})
    assert not StaticChecker().is_static("pd.set_option(1)", {"pd": pd})


def test_what_functions_of_a_partly_loaded_namespace_need_is_found_before_builtins(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", ascc=True) as notebook:
        notebook.cell("def sum(v): v.append(1)\ndef f(v): return sum(v)\nx = [1]")
        part = notebook.store.load(notebook.save(), ["f", "x"])
        assert "sum" in part.hidden
        with notebook.store.cell("sum(x)", part) as static:
            exec("sum(x)", part)
        assert not static
        assert notebook.store.load(notebook.store.save(part))["x"] == [1, 1]


def test_the_checkers_touch_nothing() -> None:
    namespace = pod.new_managed_namespace({"l": [1]})
    from pod.tracking import Watch

    watch = Watch()
    namespace.watch(watch)
    for checker in (StaticChecker(), PublishedStaticChecker()):
        assert checker.is_static("l[0]", namespace)
    assert namespace.touched_by(watch) == (frozenset(), False)


def test_b4_the_published_form_does_not_look_into_subscripts() -> None:
    published = PublishedStaticChecker()
    for source in ("l[l.pop(0)]", "df[df.pop('a') > 1]"):
        assert published.is_static(source, NAMESPACE)
        assert not StaticChecker().is_static(source, NAMESPACE)
    for source in ("l.pop(0)", "y = 1", "df.sort_values('a', inplace=True)", "for y in l: y", "(y := 1)"):
        assert not published.is_static(source, NAMESPACE)
    for source in ("x", "len(l)", "df.head()", "df['a'].mean()", "np.mean(a)", "print(df.shape)"):
        assert published.is_static(source, NAMESPACE)


@pytest.mark.parametrize(("fidelity", "saved"), [("fixed", [1, 2]), ("paper", [0, 1, 2])])
def test_b4_is_saved_by_ours_and_not_by_the_published_form(
    fidelity: str, saved: list[int], tmp_path: Path
) -> None:
    with Notebook(tmp_path / "store", ascc=True, fidelity=fidelity) as notebook:
        notebook.run("l = [0, 1, 2]")
        with notebook.store.cell("l[l.pop(0)]", notebook.ns) as static:
            notebook.cell("l[l.pop(0)]")
        assert static == (fidelity == "paper")
        assert notebook.store.load(notebook.store.save(notebook.ns))["l"] == saved


def test_a_static_cell_touches_nothing_and_others_do(tmp_path: Path) -> None:
    for ascc, expected in ((True, 0), (False, 1)):
        looked: list[frozenset[str]] = []

        class Noting:
            def touched(self, namespace: Any, watch: Any) -> Any:
                touched = namespace.touched_by(watch)
                looked.append(touched.names & {"l"})  # noqa: B023
                return touched

        with Notebook(tmp_path / f"store {ascc}", ascc=ascc, tracking=Noting()) as notebook:
            notebook.cell("l = [1]")
            notebook.save()
            with notebook.store.cell("l", notebook.ns) as static:
                notebook.cell("l")
            assert static == ascc
            notebook.save()
            assert len(looked[1]) == expected
            with notebook.store.cell("l.append(2)", notebook.ns) as static:
                notebook.cell("l.append(2)")
            assert not static
            notebook.save()
            notebook.check()


def test_a_plain_dict_has_no_static_cells(tmp_path: Path) -> None:
    with pod.open(tmp_path / "store", ascc=True) as store, store.cell("x", {"x": 1}) as static:
        assert not static


# Random sessions, and expressions over what they hold.

_name = st.sampled_from([*NAMES, "np", "pd", "Node", "workshop"])
_leaf = st.one_of(_name, st.sampled_from(["1", "'x'", "None", "0.5", "'k'", "-1"]))
_attribute = st.sampled_from(
    [
        "append",
        "pop",
        "sort",
        "get",
        "copy",
        "mean",
        "sum",
        "T",
        "head",
        "value",
        "items",
        "keys",
        "index",
        "count",
        "x",
        "flat",
        "loc",
        "iloc",
        "held",
        "clear",
        "update",
        "add",
        "next",
        "partition",
        "conjugate",
        "fill",
        "resize",
        "insert",
        "setdefault",
        "grow",
        "values",
        "shape",
        "drop",
    ]
)
_function = st.sampled_from(
    [
        "len",
        "sum",
        "sorted",
        "list",
        "max",
        "repr",
        "print",
        "next",
        "iter",
        "str",
        "type",
        "np.sum",
        "np.sqrt",
        "pd.isna",
        "map",
        "exec",
    ]
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}.{}".format, inner, _attribute),
        st.builds("{}.{}({})".format, inner, _attribute, inner),
        st.builds("{}.{}()".format, inner, _attribute),
        st.builds("{}({})".format, _function, inner),
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} == {})".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("[y for y in {}]".format, inner),
        st.builds("[y.{}({}) for y in {}]".format, _attribute, inner, inner),
        st.builds("{}.{}(axis=0, out={})".format, inner, _attribute, inner),
    )


_expressions = st.recursive(_leaf, _grown, max_leaves=6)


_static: list[str] = []


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.lists(statements(), min_size=2, max_size=10), st.lists(_expressions, min_size=3, max_size=12))
def _change_nothing(session: list[str], expressions: list[str]) -> None:
    from tests.pod import workshop

    workshop.reset()
    namespace = pod.new_managed_namespace({"__name__": "__main__"})
    for source in (PREAMBLE, *session):
        with contextlib.suppress(Exception):
            exec(source, namespace)
    checker = StaticChecker()
    for expression in [*expressions, *session, *NAMES]:
        if checker.is_static(expression, namespace):
            before = portray(namespace)
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                exec(expression, namespace)
            assert differences(before, portray(namespace)) == [], expression
            _static.append(expression)


@pytest.mark.timeout(300)
def test_what_is_static_changes_nothing() -> None:
    _change_nothing()
    assert len([source for source in _static if not source.isidentifier()]) > 200
