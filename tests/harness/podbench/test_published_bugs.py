"""A system with a bug of the published one gets the verdict "wrong", and one without gets "right" for every load.

The sound system runs the cells again; each bug changes what that gives to what the published system loaded instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from harness.podbench._judge import ReferenceJudge
from harness.podbench._loads import Loads, measure_loads
from harness.podworkloads import Reference, from_notebook, reference
from tests.harness.podbench.fakes import FakeSystem

CELLS = [
    "import numpy as np\n"
    "l = [1]; t = (l,)\n"
    "x = 1\n"
    "def f():\n    global x\n    x = 5\n"
    "a = [1]; b = [a]\n"
    "q = [0, 1]\n"
    "base = np.arange(9); view = base[2:5]\n"
    "one = [1]; two = [one]",
    "l.append(2)",
    "f()",
    "a.append(2)\ndel a",
    "q[q.pop(0)]",
    "torn = list(range(5))",
    "torn.append(99)",
    "(l, t, x, b, q, base, view, one, two, torn)",
]
LAST = len(CELLS) - 1

State = dict[str, Any]


def state(version: int) -> State:
    namespace: State = {"__name__": "__main__"}
    for cell in CELLS[: version + 1]:
        exec(compile(cell, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace


class Sound(FakeSystem):
    saves_code = True

    def __init__(self, bug: Callable[[int, State], State | None] = lambda _version, _loaded: None) -> None:
        super().__init__()
        self._bug = bug

    def load(self, version: Any, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        loaded = state(version)
        return self._bug(version, loaded) or loaded


def stale(name: str, since: int) -> Callable[[int, State], None]:
    """From a version on, a variable is the one of the version before."""

    def bug(version: int, loaded: State) -> None:
        if version >= since:
            loaded[name] = state(since - 1)[name]

    return bug


def overwritten(version: int, _loaded: State) -> State | None:
    return state(2) if version == 0 else None


def torn(version: int, loaded: State) -> None:
    if version == 5:
        loaded["torn"].append(99)


def lost_view(_version: int, loaded: State) -> None:
    loaded["view"] = loaded["view"].copy()


def lost_sharing(_version: int, loaded: State) -> None:
    loaded["two"] = [list(loaded["one"])]


# By bug: what is wrong with a load, the versions in which it is, and a variable that is named.
BUGS: dict[str, tuple[Callable[[int, State], State | None], set[int], str]] = {
    "B1: a tuple connects no variables": (stale("t", 1), {*range(1, LAST + 1)}, "t"),
    "B2: a write past the mapping is lost": (stale("x", 2), {*range(2, LAST + 1)}, "x"),
    "B3: a name that is deleted is not active": (stale("b", 3), {*range(3, LAST + 1)}, "b"),
    "B4: a cell that changes is taken for static": (stale("q", 4), {*range(4, LAST + 1)}, "q"),
    "B7: a reopened store overwrites a version": (overwritten, {0}, "l"),
    "B8: a save in the background is torn": (torn, {5}, "torn"),
    "B12: a view is an array of its own": (lost_view, {*range(LAST + 1)}, "view"),
    "sharing is lost": (lost_sharing, {*range(LAST + 1)}, "two"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    notebook = folder / "bugs.ipynb"
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in CELLS]}))
    (folder / "data").mkdir()
    return reference(from_notebook(notebook, folder / "data"), {}, 1.0, folder / "cache")


def loads(system: Sound, made: Reference, *, partial: bool) -> Loads:
    judge = ReferenceJudge(made, partial=partial, code=True, exclude=False)
    return measure_loads(system, range(len(CELLS)), judge, [()] * len(CELLS), 123)


@pytest.mark.parametrize("partial", [False, True])
def test_every_load_of_a_sound_system_is_right(made: Reference, partial: bool) -> None:
    found = loads(Sound(), made, partial=partial)

    # Of the cell that only deletes, a partial load has nothing to ask for.
    assert (found.checked, found.wrong, found.first_wrong) == (len(CELLS) - partial, 0, None)


@pytest.mark.parametrize("bug", BUGS)
def test_each_version_that_a_bug_reaches_is_wrong_and_no_other(made: Reference, bug: str) -> None:
    change, versions, name = BUGS[bug]
    found = loads(Sound(change), made, partial=False)

    assert (found.checked, found.wrong) == (len(CELLS), len(versions))
    assert name in found.wrong_names


@pytest.mark.parametrize("bug", BUGS)
def test_a_partial_load_that_asks_for_what_a_bug_reaches_is_wrong(made: Reference, bug: str) -> None:
    change, versions, name = BUGS[bug]
    asked = {v for v in versions if name in made.names(v, "partial")}
    found = loads(Sound(change), made, partial=True)

    assert asked
    assert len(asked) <= found.wrong <= len(versions)
    assert name in found.wrong_names
