"""rmtree has as many lists, elements and changes as its parameters say, the same in every run."""

from __future__ import annotations

import itertools

import pytest

from harness.errors import UsageError
from harness.podworkloads import WORKLOADS

RMTREE = WORKLOADS["rmtree"]


def run(**parameters: int) -> list[dict[str, list[bytes]]]:
    """Return the lists after each cell."""
    namespace: dict[str, object] = {}
    versions = []
    for source in RMTREE.cells(parameters):
        exec(compile(source, "<cell>", "exec", dont_inherit=True), namespace)
        versions.append({name: list(value) for name, value in namespace.items() if isinstance(value, list)})
    return versions


def changed(before: dict[str, list[bytes]], after: dict[str, list[bytes]]) -> dict[str, int]:
    pairs = {name: sum(a != b for a, b in zip(before[name], after[name], strict=True)) for name in after}
    return {name: count for name, count in pairs.items() if count}


def test_the_first_cell_makes_the_lists() -> None:
    first = run(tc=1, tv=3, tl=4)[0]

    assert {name: [len(item) for item in items] for name, items in first.items()} == {
        "l_0": [100] * 4,
        "l_1": [100] * 4,
        "l_2": [100] * 4,
    }


@pytest.mark.parametrize(
    ("tml", "tme", "lists", "elements"),
    [(0, 100, 0, 0), (10, 100, 2, 30), (50, 10, 10, 3), (100, 100, 20, 30), (4, 100, 0, 0), (5, 50, 1, 15)],
)
def test_each_other_cell_changes_its_share(tml: int, tme: int, lists: int, elements: int) -> None:
    versions = run(tc=4, tv=20, tl=30, tml=tml, tme=tme)

    found = [list(changed(before, after).values()) for before, after in itertools.pairwise(versions)]

    assert found == [[elements] * lists] * 3


def test_two_runs_are_equal() -> None:
    assert run(tc=3, tv=5, tl=5) == run(tc=3, tv=5, tl=5)


def test_lists_are_changed_in_place() -> None:
    namespace: dict[str, object] = {}
    cells = RMTREE.cells({"tc": 2, "tv": 3, "tl": 4, "tml": 100})
    exec(compile(cells[0], "<cell>", "exec"), namespace)
    lists = [namespace[f"l_{number}"] for number in range(3)]
    exec(compile(cells[1], "<cell>", "exec"), namespace)

    assert [namespace[f"l_{number}"] is lists[number] for number in range(3)] == [True] * 3


def test_defaults_and_needs() -> None:
    assert RMTREE.checked({}) == {"tc": 10, "tv": 100, "tl": 1000, "tml": 10, "tme": 100}
    assert RMTREE.needs(1.0, {"tl": 100_000})[0] == 10 * 100 * (100_000 * 103 + 20)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tx": 1}, "rmtree has no parameter tx; it has: tc, tv, tl, tml, tme"),
        ({"tv": -1}, r"rmtree\[tv=-1\]: give 0 or more"),
        ({"tml": 101}, r"rmtree\[tml=101\]: give at most 100"),
        ({"tme": 200}, r"rmtree\[tme=200\]: give at most 100"),
        ({"tc": 10**12}, r"rmtree\[tc=1000000000000\]: give at most 10000"),
    ],
)
def test_other_parameters_are_refused(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RMTREE.cells(parameters)
