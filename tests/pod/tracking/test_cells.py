"""Which names code uses."""

from __future__ import annotations

import pytest

from pod.tracking import ANYTHING, NOTHING, Uses, uses_of_all


def _uses(*sources: str) -> Uses:
    return uses_of_all([compile(source, "<cell>", "exec", dont_inherit=True) for source in sources])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a.b.c(d[e])", "a d e"),
        ("a = b", "a b"),
        ("del a", "a"),
        ("a += 1", "a"),
        ("def f(x=a): return b, x", "f a b"),
        ("def f():\n    global a\n    a = 1", "f a"),
        ("class K(a): b = c", "K a b c"),
        ("class K:\n    def m(self): return a", "K m a"),
        ("lambda: (lambda: a)", "a"),
        ("[x + a for x in b]", "a b"),
        ("(a := b)", "a b"),
        ("match a:\n    case {'k': b, **c}: pass", "a b c"),
        ("f'{a!r:{b}}'", "a b"),
        ("for a, b in c: pass", "a b c"),
        ("with a as b: pass", "a b"),
        ("import a.b as c, d", "c d"),
        ("from a import b", "b"),
        ("@a\ndef f(): pass", "a f"),
    ],
)
def test_names(source: str, names: str) -> None:
    found = _uses(source)
    assert found.names - {"__name__", "__module__", "__qualname__", "__firstlineno__"} >= set(names.split())
    assert found.names - {
        "__name__",
        "__module__",
        "__qualname__",
        "x",
        "__firstlineno__",
        "__static_attributes__",
    } == set(names.split())
    assert not found.anything


@pytest.mark.parametrize(
    "source",
    [
        "exec('a')",
        "def f(): return globals()",
        "get_ipython().magic('x')",
        "_",
        "x = _3",
        "Out[1]",
        "___",
        "import builtins",
        "from builtins import exec as e",
        "import __main__",
        "f.__globals__",
        "getattr(f, '__globals__')",
        "sys._getframe().f_locals",
        "sys.modules['__main__']",
        "sys.modules[__name__]",
        "sys.modules[f.__module__]",
        "def f(): return importlib.import_module(__name__)",
        "[getattr(f, name) for name in ('__globals__', '__code__')]",
        "inspect.getmodule(f)",
        "timeit.timeit('a', 'from __main__ import a')",
        "import cProfile; cProfile.run('a')",
        "from cProfile import run",
        "profile.run('a')",
        "p.runctx('a', {}, {})",
        "p.runcall(f)",
        "pdb.run('a')",
        "trace.Trace().run('a')",
        "import doctest",
        "lambda: gc.get_objects()",
        "__import__('a')",
    ],
)
def test_what_may_touch_anything(source: str) -> None:
    assert _uses(source).anything


@pytest.mark.parametrize(
    "source",
    [
        "for _ in a: pass",
        "if __name__ == '__main__': pass",
        "logging.getLogger(__name__)",
        "len(sys.modules)",
        "class K:\n    def m(self): return sys.modules",
        "np.trace(a); profile = df.profile",
        "a.eval()",
        "a.stack()",
        "import gc; gc.collect()",
    ],
)
def test_what_touches_only_what_it_names(source: str) -> None:
    assert not _uses(source).anything


def test_names_that_are_only_bound_are_replaced() -> None:
    found = _uses("a = 1; b += 1; del c; d = e", "e = 1\ndef f():\n    global g\n    g = 1")
    assert found.replaced == {"a", "c", "d", "f"}


@pytest.mark.parametrize(
    ("source", "makes"),
    [
        ("a = 1", False),
        ("[x for x in a]", False),
        ("g = (x for x in a)", True),
        ("def f(): pass", True),
        ("class K: pass", True),
        ("lambda: 1", True),
    ],
)
def test_what_makes_functions(source: str, makes: bool) -> None:
    assert _uses(source).makes_functions == makes


def test_no_code_uses_nothing() -> None:
    assert uses_of_all([]) == NOTHING
    assert ANYTHING.anything
