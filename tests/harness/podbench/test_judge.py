"""The judge by a real reference run, with what stores are known to get wrong."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest

from harness.podbench._judge import ReferenceJudge
from harness.podworkloads import Reference, from_notebook, reference

CELLS = [
    "import math\nshared = [1, 2]\na = [shared]\nb = [shared]",
    "a.append(3)",
    "def f(x):\n    return x + shared[0]",
    "n = math.floor(2.5)\nodd = object()",
]
STATES = 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    notebook = folder / "small.ipynb"
    cells = [{"cell_type": "code", "source": cell} for cell in CELLS]
    notebook.write_text(json.dumps({"cells": cells}))
    (folder / "data").mkdir()
    return reference(from_notebook(notebook, folder / "data"), {}, 1.0, folder / "cache")


def state(version: int) -> dict[str, Any]:
    """The session's namespace as it is after a cell."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in CELLS[: version + 1]:
        exec(compile(cell, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace


def judge(made: Reference, *, partial: bool = True, code: bool = True) -> ReferenceJudge:
    return ReferenceJudge(made, partial=partial, code=code, exclude=False)


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize("version", range(STATES))
def test_what_the_cells_made_is_right(made: Reference, version: int, partial: bool) -> None:
    one = judge(made, partial=partial)

    assert one.judged(version, ())
    assert one.wrong(version, state(version), ()) is None


def test_a_version_is_asked_for_what_its_cell_touched(made: Reference) -> None:
    assert judge(made).wanted(1) == ["a"]
    assert judge(made, partial=False).wanted(1) == ["a", "b", "math", "shared"]
    assert judge(made).size(1) > 0


def test_another_value_is_wrong_and_named(made: Reference) -> None:
    changed = state(1)
    changed["a"][1] = 4
    found = judge(made).wrong(1, changed, ())

    assert found is not None
    assert found.names == ("a",)


def test_lost_sharing_is_wrong_though_each_variable_alone_is_right(made: Reference) -> None:
    whole = state(0)
    loaded = {name: copy.deepcopy(whole[name]) for name in ("a", "b", "shared")} | {"math": math}
    found = judge(made).wrong(0, loaded, ())

    assert found is not None
    assert set(found.names) == {"a", "b", "math", "shared"}
    assert found.text


def test_what_is_missing_is_wrong_unless_it_was_said_to_be_unsaved(made: Reference) -> None:
    loaded = state(0)
    del loaded["math"]
    found = judge(made).wrong(0, loaded, ())

    assert found is not None
    assert (found.names, found.text) == (("math",), "missing: math")
    assert judge(made).wrong(0, loaded, {"math"}) is None


def test_what_was_said_to_be_unsaved_and_is_there_is_compared(made: Reference) -> None:
    assert judge(made).wrong(0, state(0) | {"math": json}, {"math"}) is not None
    assert judge(made).wrong(0, state(0) | {"math": math}, {"math"}) is None


def test_a_function_is_compared_by_value_only_where_the_system_keeps_it_so(made: Reference) -> None:
    other = state(2)
    exec("def f(x):\n    return x - shared[0]", other)
    found = judge(made, code=True).wrong(2, other, ())

    assert found is not None
    assert found.names == ("f",)
    assert judge(made, code=False).wrong(2, other, ()) is None


def test_what_is_there_beside_the_names_that_were_asked_for_is_not_judged(made: Reference) -> None:
    loaded = state(1)
    loaded["b"].append("nobody asked for it")

    assert judge(made).wrong(1, loaded, ()) is None
