"""One trial as the driver notebook starts it: in a process of its own, and then in a fresh one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.errors import TrialFailed
from harness.kernelcache import Proof
from harness.podbench import trial as podbench_trial
from harness.podbench._known import make_reference, reference_of, workload_of
from harness.podbench._order import Order
from harness.podbench.driver import figures, start, tail
from harness.podbench.trial import run_cold, run_warm
from harness.systems.pod import how_to_get
from tests.harness.podbench.factory import trial

CELLS = ["a = [1]\nprint('a cell said this')", "b = [a]", "a.append(2)"]


def order_in(folder: Path, system: str = "snp") -> Order:
    notebook = folder / "small.ipynb"
    cells = [{"cell_type": "code", "source": cell} for cell in CELLS]
    notebook.write_text(json.dumps({"cells": cells}))
    order = Order(
        system=system, workload="small", parameters={}, exclude=False, notebook=str(notebook), scale=1.0, fidelity="fixed",
        data=None, cache=str(folder / "cache"), reference=str(folder / "reference.pickle"), environment={}, python=sys.executable, directory=str(folder),
        folder=str(folder), log=str(folder / "log"),
    )  # fmt: skip
    order.write()
    return order


def test_an_order_is_read_as_it_was_written(tmp_path: Path) -> None:
    order = order_in(tmp_path)

    assert Order.read(order.path) == order


@pytest.mark.timeout(300)
def test_a_trial_saves_loads_and_loads_again_in_a_fresh_process(tmp_path: Path) -> None:
    order = order_in(tmp_path)
    made = make_reference(order)
    assert reference_of(order) == made
    assert len(made.cells) == len(workload_of(order).cells({})) == 3
    result = start(str(order.path))

    assert tail(order.log) == "a cell said this"
    assert len(result["versions"]) == 3
    assert [dump["nth"] for dump in result["samples"]["dumps"]] == [0, 1, 2, 3]
    for state in ("warm", "cold"):
        assert result[state]["verdict"] == {"checked": 3, "wrong": 0, "first_wrong": None, "wrong_names": {}}
        assert sorted(load["tid"] for load in result[state]["loads"]) == [0, 1, 2]
    assert result["samples"]["storage_bytes"] == sum(
        path.stat().st_size for path in order.store.rglob("*") if path.is_file()
    )
    assert "3 of 3 right" in figures(result)


@pytest.mark.parametrize("system", ["snp", "prd"])
def test_the_worst_proof_of_cold_loads_is_kept(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how := how_to_get(system):
        pytest.skip(f"{system} is not installed: {how}")
    order = order_in(tmp_path, system)
    make_reference(order)
    before = run_warm(order)
    proofs = [
        Proof(reset=True, proof="at first"),
        *(Proof(reset=n != 1, proof=f"load {n}") for n in range(3)),
    ]
    monkeypatch.setattr(podbench_trial, "_forget", lambda _store: proofs.pop(0))
    found = run_cold(order, before)["page_cache"]

    assert (found["reset"], found["proof"].split("; ")[0], proofs) == (False, "load 1", [])
    assert ("server was started anew" in found["proof"]) is (system == "prd")


def test_a_trial_that_cannot_begin_is_one_line(tmp_path: Path) -> None:
    order = order_in(tmp_path, "nope")
    make_reference(order)
    with pytest.raises(TrialFailed, match=r"^unknown system 'nope'; there are: "):
        start(str(order.path))


def test_the_table_of_a_trial() -> None:
    one = trial(wrong=1) | {"versions": [0, 1]}
    text = figures(one)

    assert "2 of 3 right; the version after cell 1: a differs" in text
    assert text.splitlines()[0].split() == ["saves", "2"]
    one["warm"]["loads"] = []
    assert "load, median s       none" in figures(one)
