"""A reference holds what the oracle saw after each cell: which names, which digests, which of them can be judged."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import TrialFailed, TrialTimeout
from harness.oracle import portray
from harness.podworkloads import WORKLOADS, Reference, from_notebook, reference
from harness.procfs import start_ticks

Make = Callable[..., Reference]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return what makes the reference of a notebook of these cells."""

    def of(*cells: str, **other: Any) -> Reference:
        folder = tmp_path / "notebook"
        folder.mkdir(exist_ok=True)
        notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells], "nbformat": 4}
        (folder / "mine.ipynb").write_text(json.dumps(notebook))
        return reference(from_notebook(folder / "mine.ipynb"), {}, 1.0, tmp_path / "cache", **other)

    return of


def run(*cells: str) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "__main__"}
    for cell in cells:
        exec(compile(cell, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace


def test_each_version_has_its_names(make: Make) -> None:
    found = make("a = [1]\nb = 2", "c = a", "a.append(b)\ndel c")

    assert [(cell.touched, cell.bound, cell.exists) for cell in found.cells] == [
        (("a", "b"), ("a", "b"), ("a", "b")),
        (("a", "c"), ("c",), ("a", "b", "c")),
        (("a", "b"), (), ("a", "b")),
    ]


def test_what_looking_at_a_version_reads_is_not_touched_by_the_next_cell(make: Make) -> None:
    found = make("a = [1]\ndef f():\n    return a", "b = 2", "f()")

    assert [cell.touched for cell in found.cells] == [("a", "f"), ("b",), ("a", "f")]


@pytest.mark.parametrize("code", [True, False])
def test_digests_are_those_of_the_oracle(make: Make, code: bool) -> None:
    cells = ("a = [1]\ndef f():\n    return a", "b = {'a': a}\nclass C: pass\nc = C()", "b['f'] = f()")
    found = make(*cells)

    for version in range(3):
        portrait = portray(run(*cells[: version + 1]), code=code)
        for which in ("partial", "all"):
            expected = portrait.digest(found.names(version, which))
            assert found.digest(version, which, code=code) == expected
        assert found.portrait(version, code=code).digest() == portrait.digest()


def test_names_that_a_system_could_not_save_are_left_out(make: Make) -> None:
    found = make("a = [1]\nb = [2]")

    assert found.digest(0, "all", code=True, without=["b"]) == portray({"a": [1]}).digest()


def test_names_that_differ_between_two_runs_are_not_judged(make: Make) -> None:
    cells = ("import os\na = [1]\nb = os.urandom(8)", "c = [b]\nd = [a]")
    found = make(*cells)

    assert found.unstable == ("b", "c")
    assert found.names(1, "all") == ("a", "d", "os")
    assert found.digest(1, "all", code=True) == portray(run(*cells)).digest(["a", "d", "os"])


def test_seeds_are_those_of_the_published_runs(make: Make) -> None:
    found = make("import random\na = random.random()\nimport numpy\nb = numpy.random.random()")

    assert found.unstable == ()
    assert found.cells[0].exists == ("a", "b", "numpy", "random")


def test_variables_that_hold_the_data_are_found(make: Make, tmp_path: Path) -> None:
    (tmp_path / "notebook").mkdir()
    (tmp_path / "notebook" / "data.csv").write_text("number\n" * 1000)
    found = make(
        "path = 'data.csv'",
        "with open(path) as file:\n    text = file.read()\ndel file\nsize = 1",
        "text2 = [text]",
    )

    assert (found.data_names, found.excluded) == (("text",), ("text",))
    assert [cell.opened for cell in found.cells] == [(), ("data.csv",), ()]
    assert found.names(2, "partial[exc]") == ("text2",)
    assert found.names(2, "all[exc]") == ("path", "size", "text2")


def test_a_name_that_holds_data_later_only_is_left_out_of_every_version(make: Make, tmp_path: Path) -> None:
    (tmp_path / "notebook").mkdir()
    (tmp_path / "notebook" / "data.csv").write_text("number\n" * 1000)
    found = make("df = 1\nz = 2", "del df", "with open('data.csv') as file:\n    df = file.read()\ndel file")

    assert found.excluded == ("df",)
    assert found.digest(0, "all[exc]", code=True) == portray({"z": 2}).digest()


def test_a_reference_is_made_once(make: Make) -> None:
    first = make("a = 1")
    made = (first.folder / "reference.json").stat()

    again = make("a = 1")
    other = make("a = 2")

    assert (again.folder / "reference.json").stat() == made
    assert other.folder != first.folder
    assert sorted(path.name for path in first.folder.iterdir()) == ["0.portrait", "reference.json"]


def test_it_says_which_tree_it_is_made_of(tmp_path: Path) -> None:
    said: list[str] = []
    parameters = {"tc": 2, "tv": 2, "tl": 5, "tml": 10, "tme": 100}
    reference(WORKLOADS["rmtree"], parameters, 1.0, tmp_path, said.append)

    assert said == ["rmtree[tc=2][tv=2][tl=5]: two reference runs"]


def test_warnings_are_noted(make: Make) -> None:
    found = make("import warnings\nwarnings.warn('careful')")

    assert found.cells[0].warnings == ("UserWarning: careful",)


def test_a_cell_that_fails_is_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match=r"mine: cell 2 failed: ZeroDivisionError: division by zero"):
        make("a = 1", "a / 0")

    assert list((tmp_path / "cache" / "references").iterdir()) == [
        tmp_path / "cache" / "references" / ".lock"
    ]


def test_a_cell_that_ends_the_process_is_told(make: Make) -> None:
    with pytest.raises(
        TrialFailed, match=r"mine: the reference run ended with 3 and no result: it said nothing"
    ):
        make("import os\nos._exit(3)")


def test_a_cell_is_asked_nothing_and_has_no_more_than_its_time(make: Make) -> None:
    with pytest.raises(TrialFailed, match="mine: cell 1 failed: EOFError"):
        make("input()")
    with pytest.raises(TrialTimeout, match="mine: the reference run gave no result after 4 s"):
        make("import time\ntime.sleep(300)", timeout_s=4)


def test_whoever_stops_waiting_ends_the_runs(tmp_path: Path, make: Make) -> None:
    note = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(300)"
    pid = tmp_path / "notebook" / "pid"

    def interrupt() -> None:
        while not (pid.is_file() and pid.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    stopper = threading.Thread(target=interrupt)
    stopper.start()
    with pytest.raises(KeyboardInterrupt):
        make(note)
    stopper.join()

    assert start_ticks(int(pid.read_text())) is None


def test_both_runs_end_when_one_is_stopped(tmp_path: Path) -> None:
    slow = replace(WORKLOADS["rmlist"], source=lambda _: ["import time\ntime.sleep(300)"])

    def interrupt() -> None:
        work = tmp_path / "references" / ".partial"
        while len(list(work.glob("*/leftovers.jsonl"))) < 2:
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    stopper, began = threading.Thread(target=interrupt), time.monotonic()
    stopper.start()
    with pytest.raises(KeyboardInterrupt):
        reference(slow, {}, 0.01, tmp_path)
    stopper.join()

    assert time.monotonic() - began < 60
    assert [path.name for path in (tmp_path / "references").iterdir()] == [".lock"]


def test_what_a_killed_run_has_left_is_cleared(tmp_path: Path, make: Make) -> None:
    left = tmp_path / "cache" / "references" / ".partial" / "1"
    left.mkdir(parents=True)
    (left / "0.portrait").touch()

    make("a = 1")

    assert not left.parent.exists()


def test_rmtree_leaves_its_helpers_out(tmp_path: Path) -> None:
    found = reference(WORKLOADS["rmtree"], {"tc": 3, "tv": 4, "tl": 10, "tml": 50}, 1.0, tmp_path)

    assert found.excluded == ("idx", "jdx", "random", "rng")
    assert found.names(2, "all[exc]") == ("l_0", "l_1", "l_2", "l_3")
    assert len(found.names(2, "partial[exc]")) == 2
    assert (found.unstable, found.data_names) == ((), ())


def test_rmlist_is_stable(tmp_path: Path) -> None:
    found = reference(WORKLOADS["rmlist"], {}, 0.01, tmp_path)

    assert (len(found.cells), found.unstable, found.data_names) == (10, (), ())
