"""The extension in a real kernel: what papermill runs is saved, cell by cell."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest

import pod
from tests.pod.notebook import child_environment

CELLS = [
    "%load_ext pod",
    "import pandas as pd\na = [1]; df = pd.DataFrame({'x': [1, 2]})",
    "def f(): a.append(2)",
    "f()\ndf.head()",
    "import asyncio\nawait asyncio.sleep(0); a.append(3)",
    "%pod log -n 1",
    "g = (x for x in a)",
]


def _executed(folder: Path, monkeypatch: pytest.MonkeyPatch, cells: list[str]) -> Any:
    """Execute a notebook with papermill, in a kernel of this interpreter; return it with its outputs."""
    environment = child_environment(
        POD_DIR=str(folder / "store"),
        IPYTHONDIR=str(folder / "ipython"),
        JUPYTER_DATA_DIR=str(folder / "jupyter"),
        JUPYTER_RUNTIME_DIR=str(folder / "runtime"),
        JUPYTER_PLATFORM_DIRS="1",
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = folder / "jupyter" / "kernels" / "here"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "here", "language": "python"})
    )
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    made.metadata["kernelspec"] = {"name": "here", "display_name": "here", "language": "python"}
    nbformat.write(made, folder / "in.ipynb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import papermill

        papermill.execute_notebook(
            folder / "in.ipynb", folder / "out.ipynb", cwd=str(folder), progress_bar=False, kernel_name="here"
        )
    return nbformat.read(folder / "out.ipynb", as_version=4)


@pytest.mark.filterwarnings("ignore")
def test_a_notebook_in_a_kernel_is_saved_cell_by_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = _executed(tmp_path, monkeypatch, CELLS)
    with pod.open(tmp_path / "store", create=False) as store:
        log = store.log()[::-1]
        lists = [store.load(version.tid, names=["a"])["a"] for version in log]
        sources = [version.source for version in log]
        assert store.load(log[2].tid)["f"].__globals__["a"] == [1, 2]
    assert sources == [CELLS[place] for place in (1, 2, 3, 4, 6)]
    assert lists == [[1], [1], [1, 2], [1, 2, 3], [1, 2, 3]]
    lines = [_remarks(cell) for cell in done.cells]
    assert [len(found) for found in lines] == [0, 1, 1, 1, 1, 0, 1]
    assert lines[1][0].startswith("pod: version 1, 3 of 3 variables, ")
    assert lines[6][0].splitlines()[1].startswith("pod: not saved: g (generator): ")


def _remarks(cell: Any) -> list[str]:
    """Return what pod said below a cell."""
    texts = [output["data"]["text/plain"] for output in cell.outputs if output.output_type == "display_data"]
    return [text for text in texts if text.startswith("pod: ")]
