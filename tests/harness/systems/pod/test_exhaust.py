"""The exhaustive search: the smallest of all stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError, UsageError
from harness.oracle import differences, portray
from harness.podworkloads import WORKLOADS, from_notebook
from harness.systems.pod import open_system, refuses
from tests.harness.systems.pod.sessions import play

TREE = (
    "l_0 = [[b'a' * 3000], [b'b' * 3000]]\nl_1 = [[b'c' * 3000], [b'd' * 3000]]",
    "l_0[0][0] = b'e' * 3000",
    "l_0[1][0] = b'f' * 3000",
)


def test_it_is_no_larger_than_bundling_all(tmp_path: Path) -> None:
    search, bundled = open_system("exhaust", tmp_path / "search"), open_system("imm", tmp_path / "imm")
    played = play(search, TREE, ())
    play(bundled, TREE, ())
    assert 0 < search.size() <= bundled.size()
    for saved in played:
        assert differences(saved.portrait, portray(search.load(saved.version))) == []
    search.close()
    bundled.close()


def test_more_decisions_than_it_has_stores_for_are_refused(tmp_path: Path) -> None:
    system = open_system("exhaust", tmp_path / "store")
    with pytest.raises(HarnessError, match=r"decisions would need 2\^\d+ stores; at most 2\^12 are made"):
        play(system, ["l = [[] for _ in range(30)]"], ())
    system.close()


def test_later_saves_may_not_decide_more(tmp_path: Path) -> None:
    system = open_system("exhaust", tmp_path / "store")
    with pytest.raises(HarnessError, match="take a workload whose first cell makes all its variables"):
        play(system, ["l = [[]]", "m = [[[]], [[]]]"], ())
    system.close()


def test_a_session_with_nothing_to_decide_is_refused(tmp_path: Path) -> None:
    system = open_system("exhaust", tmp_path / "store")
    with pytest.raises(HarnessError, match="nothing is to be decided in the first save: a variable is a pod"):
        play(system, WORKLOADS["rmtree"].cells({"tc": 2, "tv": 2, "tl": 3, "tml": 100, "tme": 100}), ("rng",))
    system.close()


@pytest.mark.parametrize("fidelity", ["fixed", "paper"])
def test_it_runs_small_notebooks_only(tmp_path: Path, fidelity: str) -> None:
    notebook = tmp_path / "mine.ipynb"
    notebook.write_text('{"cells": [{"cell_type": "code", "source": "a = [[1], [2]]"}]}')
    assert "too many here: take a small notebook" in str(refuses("exhaust", "skltweet"))
    assert "has nothing to decide in rmtree" in str(
        refuses("exhaust", "rmtree[exc][tc=2][tv=2][tl=5][tml=1][tme=1]")
    )
    assert refuses("exhaust", from_notebook(notebook).name) is None
    open_system("exhaust", tmp_path / "new", fidelity=fidelity).close()
    with pytest.raises(UsageError, match="keeps its versions in memory"):
        open_system("exhaust", tmp_path / "store", existing=True)
