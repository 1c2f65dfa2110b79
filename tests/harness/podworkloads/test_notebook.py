"""Notebooks become cells: ours as they are, anyone's as far as plain Python runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.podworkloads import WORKLOADS, from_notebook


def write(path: Path, *cells: str, kind: str = "code") -> Path:
    path.write_text(
        json.dumps({"cells": [{"cell_type": kind, "source": cell} for cell in cells], "nbformat": 4})
    )
    return path


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_cells_compile(name: str) -> None:
    cells = WORKLOADS[name].cells()

    assert [compile(cell, "<cell>", "exec", dont_inherit=True).co_name for cell in cells] == [
        "<module>"
    ] * len(cells)


@pytest.mark.parametrize("name", ["skltweet", "msciedaw", "nbupdate"])
def test_our_notebooks_have_the_published_number_of_cells(name: str) -> None:
    published = WORKLOADS[name].published

    assert published is not None
    assert len(WORKLOADS[name].cells()) == published.cells


def test_anyones_notebook_is_a_workload(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.ipynb", "a = 1", "", "b = a\n")

    workload = from_notebook(path)

    assert (workload.name, workload.cells()) == ("nb-mine", ["a = 1", "b = a\n"])
    assert workload.environment(tmp_path / "cache", 1.0)["NBDATA"] == str(tmp_path)
    assert from_notebook(path, tmp_path / "data").data == tmp_path / "data"


def test_texts_are_no_cells(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no code cell"):
        from_notebook(write(tmp_path / "text.ipynb", "# Title", kind="markdown"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("%matplotlib inline\na = 1", r"code cell 2 needs IPython \(%matplotlib inline\)"),
        ("files = !ls", r"code cell 2 needs IPython \(files = !ls\)"),
        ("a = 1\na?", r"code cell 2 needs IPython \(a\?\)"),
        ("%%time\na = 1", r"code cell 2 needs IPython \(%%time\)"),
        ("a = = 1", r"code cell 2 is no Python: invalid syntax \(line 1\)"),
    ],
)
def test_what_needs_ipython_is_refused_by_the_cells_number(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_notebook(write(tmp_path / "magic.ipynb", "a = 0", "", source))


def test_prompts_are_taken_out_as_ipython_does(tmp_path: Path) -> None:
    path = write(tmp_path / "prompts.ipynb", ">>> a = 1\n>>> b = 2")

    assert from_notebook(path).cells() == ["a = 1\nb = 2\n"]


def test_what_is_no_notebook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.ipynb").write_text("hello")

    with pytest.raises(UsageError, match="is no notebook of format 4"):
        from_notebook(tmp_path / "x.ipynb")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        from_notebook(tmp_path / "missing.ipynb")
