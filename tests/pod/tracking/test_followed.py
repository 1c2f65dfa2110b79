"""An exact dict, followed by what is told of the code that runs in it."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest

from pod.tracking import ByName, Everything, Followed, Touched, uses_of_all
from pod.tracking._shown import explain
from pod.tracking._strays import Strays, functions_of


def _told(space: dict[str, Any], source: str, **options: Any) -> Followed:
    followed = Followed(space, **options)
    followed.ran(uses_of_all([compile(source, "<cell>", "exec", dont_inherit=True)]))
    return followed


def test_what_was_told_is_touched_once() -> None:
    space: dict[str, Any] = {"a": [1]}
    followed = _told(space, "a.append(b)")
    first, second = ByName().touched(space, followed), ByName().touched(space, followed)
    assert (first, second) == (Touched(frozenset({"a", "b"})), Touched(frozenset()))


def test_everything_is_touched_where_nothing_is_tracked() -> None:
    followed = _told({}, "a")
    assert Everything().touched({}, followed) == Touched(frozenset(), everything=True)
    assert ByName().touched({}, followed) == Touched(frozenset())


@pytest.mark.parametrize("value", [exec, eval, sys.modules["builtins"]])
def test_a_variable_that_leads_to_the_namespace_touches_everything(value: object) -> None:
    assert _told({"a": value}, "a").take().everything


def test_the_namespace_itself_and_what_is_said_to_lead_there_touch_everything() -> None:
    space: dict[str, Any] = {"shell": object(), "b": 1}
    space["g"] = space
    found = [
        _told(space, name, leads_to_it=[space["shell"]]).take().everything for name in ("g", "shell", "b")
    ]
    assert found == [True, True, False]


def _strays(source: str) -> tuple[Strays, dict[str, Any]]:
    space: dict[str, Any] = {"held": [], "__name__": "__main__"}
    exec(source, space)
    hold = space.pop("held")
    strays = Strays(space)
    strays.find([value for name, value in space.items() if name != "__builtins__"], all_anew=True)
    space["hold"] = hold
    return strays, space


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(): return a", ""),
        ("held.append(lambda: a)", "a"),
        ("class K:\n    def m(self): return a\nk = K()\ndel K", ""),
        ("class K:\n    def m(self): return a\nheld.append(K); del K", "a"),
        ("def make():\n    def inner(): return a\n    return lambda: inner()\nf = make()", ""),
        ("f = [{'k': (lambda: a,)}]", ""),
        ("class K:\n    p = property(lambda self: a)\n    s = staticmethod(lambda: b)", ""),
        ("import functools\nf = functools.partial(lambda: a)", ""),
        ("def f(): return a\nheld.append(f); del f", "a"),
    ],
)
def test_strays_are_functions_that_no_variable_leads_to(source: str, names: str) -> None:
    strays, _space = _strays(source)
    assert strays.names == set(names.split())


def test_a_stray_counts_until_it_is_looked_for_again() -> None:
    strays, space = _strays("held.append(lambda: a)")
    space["hold"].clear()
    gc.collect()
    before = strays.names
    strays.find([], all_anew=False)
    assert (before, strays.names) == ({"a"}, set())


def test_a_function_that_makes_functions_is_known_as_a_maker() -> None:
    strays, _space = _strays("def f(): return b\ndef make(): return lambda: a")
    assert strays.makers == (frozenset({"a"}),)


def test_a_function_that_looks_for_the_namespace_reaches_anything() -> None:
    assert _strays("def f(g): return g.__globals__")[0].reach_anything
    assert not _strays("def f(g): return g.x")[0].reach_anything


def test_functions_of_a_namespace() -> None:
    space: dict[str, Any] = {}
    exec("def f(): pass", space)
    assert functions_of(space) == [space["f"]]
    assert functions_of({}) == []


def _explained(held: list[object]) -> dict[int, int]:
    found: dict[int, int] = {}

    def count(value: object) -> None:
        found[id(value)] = found.get(id(value), 0) + 1

    explain(held, count)
    return found


class _Holder:
    def __init__(self) -> None:
        self.held: list[object] = []


def test_what_a_holder_alone_holds_is_explained_with_all_below() -> None:
    target = [1]
    holder = _Holder()
    holder.held = [[[target], target], target, target]  # only the first is below something private
    held = [holder.held[0]]
    assert _explained(held)[id(target)] == 2
    holder.held.append(holder.held[0])
    assert id(target) not in _explained(held)


def test_what_a_holder_holds_twice_is_counted_twice() -> None:
    target = [1]
    assert _explained([target, target])[id(target)] == 2
