"""Sessions that CRIU takes images of: cells run there as they do in a process of the harness."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.systems.pod.criu import Criu
from harness.systems.pod.criu._session import take

Opener = Callable[..., Criu]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Open a system whose program is not asked for."""
    with ExitStack() as closed:

        def open_one(*, incremental: bool = False, transfers: bool = False) -> Criu:
            folder = tmp_path / "store"
            folder.mkdir()
            return closed.enter_context(
                closing(Criu("criu", folder, incremental=incremental, transfers=transfers, existing=False))
            )

        yield open_one


def run(system: Criu, source: str) -> None:
    system.run(compile(source, "<cell>", "exec"), source, system.namespace())


def held(system: Criu, *names: str) -> dict[str, Any]:
    """Return variables of the live session."""
    found: dict[str, Any] = {}
    take(system._live.ask({"names": list(names)})["given"], found)
    return {name: found[name] for name in names}


def test_cells_draw_the_numbers_of_the_seed(opened: Opener) -> None:
    system = opened()
    system.seed(123)
    run(system, "import random, numpy as np\na, b = random.random(), np.random.random()")
    run(system, "c = np.random.random()")

    generator = np.random.RandomState(123)
    expected = {"a": random.Random(123).random(), "b": generator.random(), "c": generator.random()}
    assert held(system, "a", "b", "c") == expected


def test_numpy_is_not_there_before_a_cell_imports_it(opened: Opener) -> None:
    system = opened()
    system.seed(123)
    run(system, "import sys\nthere = 'numpy' in sys.modules")

    assert held(system, "there") == {"there": False}


def test_cells_run_in_the_current_folder(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside.py").write_text("here = 'a module beside the notebook'")
    monkeypatch.chdir(tmp_path)
    system = opened()
    run(system, "import os\nfrom beside import here\nfolder = os.getcwd()")

    assert held(system, "here", "folder") == {"here": "a module beside the notebook", "folder": str(tmp_path)}
