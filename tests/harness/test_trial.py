"""The engine that runs a notebook's cells: what they say and what they raise is kept as a Jupyter kernel would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest

# IPython has one shell a process, so each notebook gets a fresh one, as a trial does.
_RUN: Final = """
import sys, papermill
from papermill.engines import papermill_engines
from harness.trial._engine import InProcessEngine
papermill_engines.register("in-process", InProcessEngine)
papermill.execute_notebook(
    "in.ipynb", "out.ipynb", parameters={"x": 2}, engine_name="in-process", progress_bar=False
)
"""


def execute(folder: Path, *sources: str) -> tuple[int, list[Mapping[str, Any]]]:
    """Return papermill's exit code, and the code cells behind the parameters."""
    cells = [nbformat.v4.new_code_cell(source) for source in ("x = 1", *sources)]
    cells[0].metadata.tags = ["parameters"]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "in.ipynb"
    )
    done = subprocess.run([sys.executable, "-c", _RUN], cwd=folder, capture_output=True, check=False)
    notebook = nbformat.read(folder / "out.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in json.loads(json.dumps(notebook.cells)) if cell["cell_type"] == "code"]
    return done.returncode, [cell for cell in code if not cell["metadata"].get("tags")]


def test_streams_and_values_are_kept(tmp_path: Path) -> None:
    code, (said, shown) = execute(
        tmp_path,
        "import sys\nprint('out', x)\nprint('err', file=sys.stderr)\nx + 1",
        "from IPython.display import HTML, display\ndisplay(HTML('<b>'))",
    )

    assert code == 0
    assert [output.get("text") for output in said["outputs"]] == ["out 2\n", "err\n", None]
    assert said["outputs"][2]["data"] == {"text/plain": "3"}
    assert shown["outputs"][0]["data"]["text/html"] == "<b>"


def test_cells_share_names_know_magics_and_pickle_what_they_define(tmp_path: Path) -> None:
    code, cells = execute(
        tmp_path,
        "%cd -q .\nclass Defined: pass",
        "import pickle\ntype(pickle.loads(pickle.dumps(Defined()))) is Defined",
    )

    assert code == 0
    assert cells[1]["outputs"][0]["data"] == {"text/plain": "True"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("1 2", "SyntaxError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ExceptionGroup('both', [ValueError('x')])", "ExceptionGroup"),
    ],
)
def test_a_cell_that_fails_is_the_last_one_and_says_why(tmp_path: Path, source: str, name: str) -> None:
    code, (failed, after) = execute(tmp_path, source, "print('never')")

    assert code == 1
    (error,) = [output for output in failed["outputs"] if output["output_type"] == "error"]
    assert error["ename"] == name
    assert failed["metadata"]["papermill"]["status"] == "failed"
    assert (after["outputs"], after["execution_count"]) == ([], None)


def test_nothing_of_the_users_takes_part(tmp_path: Path) -> None:
    code, (cell,) = execute(tmp_path, "ip = get_ipython()\nprint(ip.history_manager.enabled, ip.ipython_dir)")

    assert code == 0
    assert cell["outputs"][0]["text"] == f"False {tmp_path / 'ipython'}\n"


def test_what_a_cell_prints_is_told_at_once(tmp_path: Path) -> None:
    source = "import os, sys\nprint('out')\nprint('err', file=sys.stderr)\nos._exit(3)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "in.ipynb")

    done = subprocess.run(
        [sys.executable, "-c", _RUN], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (3, "out\n")
    assert "err\n" in done.stderr
