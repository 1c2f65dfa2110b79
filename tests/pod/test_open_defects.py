"""What the state machine found and is not mended yet: each is known to fail, and fails this file when it no longer does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pod.notebook import Notebook


@pytest.mark.xfail(
    strict=True, reason="a class body that fails binds nothing: what it changed is not seen before 3.13"
)
def test_a_class_body_that_fails(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("p = [[1]]")
        notebook.save()
        with pytest.raises(ValueError, match="late"):
            notebook.cell("class K:\n    p.append(1)\n    raise ValueError('late')")
        notebook.save()
        notebook.check()


@pytest.mark.xfail(strict=True, reason="a view of a masked array comes back with memory of its own")
def test_a_view_of_a_masked_array(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.run("import numpy as np\nm = np.ma.masked_array([1, 2, 3], [0, 1, 0]); v = m.reshape(-1)")


@pytest.mark.xfail(
    strict=True, reason="a class without __module__, made in a loaded namespace, does not load"
)
def test_a_class_that_is_made_where_there_is_no_name(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("a = 1")
        notebook.ns = notebook.store.load(notebook.save())
        notebook.run("T = type('T', (), {'held': [0]}); t = T()")


@pytest.mark.xfail(
    strict=True, reason="an instance of a namedtuple in a cycle through its own class does not load"
)
def test_a_namedtuple_that_its_class_holds(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.run(
            "from collections import namedtuple\nP = namedtuple('P', 'x y'); p = P([2], {}); P.more = [p]"
        )
