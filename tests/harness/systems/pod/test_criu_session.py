"""Sessions that CRIU takes images of: cells run there as they do in a process of the harness."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.systems.pod.criu import Criu, _client
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
    take(system._live.ask({"names": list(names), "without": []})["given"], found)
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


def test_what_a_load_needs_is_imported_before(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    system = opened()
    run(system, "import sys\nthere = 'dill' in sys.modules")

    assert held(system, "there") == {"there": True}
    program = (
        "import sys\nfrom pathlib import Path\nfrom harness.systems.pod.criu import Criu\n"
        "Criu('criu', Path(sys.argv[1]), incremental=False, transfers=False, existing=True)\nprint('dill' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(system._folder)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"


def test_what_is_left_out_of_a_save_is_not_pickled(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_client, "run", lambda *_arguments: None)
    system = opened()
    run(
        system,
        "class Counted:\n"
        "    def __init__(self, file): self.file = file\n"
        "    def __reduce__(self):\n"
        "        with open(self.file, 'a') as file: file.write('x')\n"
        "        return str, ()\n"
        f"left_out, kept = Counted({str(tmp_path / 'left-out')!r}), Counted({str(tmp_path / 'kept')!r})",
    )
    system.save({}, exclude={"left_out"})

    assert not (tmp_path / "left-out").exists()
    assert (tmp_path / "kept").read_text() == "x"


def test_what_cannot_be_given_to_another_process_is_named(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_client, "run", lambda *_arguments: None)
    system = opened(transfers=True)
    run(system, "a = 1\nunfinished = (n for n in ())")
    system.save({})

    assert system.unsaved == {"unfinished": "HarnessError: TypeError: cannot pickle 'generator' object"}
    run(system, "del unfinished")
    system.save({})
    assert system.unsaved == {}


@pytest.mark.parametrize("incremental", [False, True])
def test_pages_are_tracked_from_the_first_image_on(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, incremental: bool
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(_client, "run", lambda arguments, _images: commands.append(arguments))
    system = opened(incremental=incremental)
    for number in range(3):
        run(system, f"a = {number}")
        system.save({})

    assert ["--track-mem" in command for command in commands] == [incremental] * 3
    parents = ["--prev-images-dir" in command for command in commands]
    assert parents == [False, incremental, incremental]
