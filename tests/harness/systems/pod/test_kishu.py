"""Kishu, in the environment of its own that `make peers` makes: a trial is what its user would see."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from harness.systems.pod import options_of, python_of, version_of
from tests.harness.systems.pod.sessions import CELLS, DATA_CELLS, EXCLUDED

DATA = (
    *DATA_CELLS,
    "import math\nclass Item: pass\nitem = Item()\nitem.held = shared",
    "shared.append(item)",
)
MACHINERY = ["exit", "quit", "open", "get_ipython", "init_kishu", "_kishu"]

_SESSION = """
import json, sys
from pathlib import Path
from harness.oracle import differences, portray
from harness.systems.pod import open_system
folder, cells, exclude, names = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
system = open_system("kishu", folder)
namespace = system.namespace()
before, versions = [], []
for source in cells:
    system.run(compile(source, "<cell>", "exec"), source, namespace)
    before.append(portray(namespace))
    versions.append(system.save(namespace, exclude))
found = []
for version, portrait in reversed(list(zip(versions, before))):
    loaded = system.load(version, names)
    wanted = (portrait.names if names is None else portrait.names & set(names)) - set(exclude)
    found.append(differences(portrait, portray(loaded, wanted), wanted) if wanted <= set(loaded) else sorted(wanted - set(loaded)))
print("FOUND", json.dumps({"wrong": found[::-1], "size": system.size(), "unsaved": sorted(system.unsaved), "versions": versions}))
"""


def session(
    folder: Path, cells: tuple[str, ...], exclude: list[str], names: list[str] | None
) -> dict[str, object]:
    """Save a session cell by cell, load each version, and return how each differs from what was there."""
    (folder / "store").mkdir()
    arguments = [str(folder / "store"), *map(json.dumps, (cells, exclude, names))]
    done = subprocess.run(
        [python_of("kishu"), "-c", _SESSION, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert said, done.stderr[-2000:]
    found: dict[str, object] = json.loads(said[-1].removeprefix("FOUND "))
    return found


@pytest.mark.kishu
def test_each_version_comes_back_as_it_was(tmp_path: Path) -> None:
    found = session(tmp_path, DATA, MACHINERY, None)
    assert found["wrong"] == [[]] * len(DATA)
    assert found["unsaved"] == []
    assert int(str(found["size"])) > 0
    assert len(set(found["versions"])) == len(DATA)  # type: ignore[call-overload]


@pytest.mark.kishu
def test_some_variables_are_there_and_one_can_be_left_out(tmp_path: Path) -> None:
    found = session(tmp_path, CELLS[:1], [EXCLUDED], ["a", "shared"])
    assert found["wrong"] == [[]]


@pytest.mark.kishu
def test_a_restored_function_finds_no_variable_and_one_that_stayed_does(tmp_path: Path) -> None:
    cells = ("a = [1]\ndef f():\n    return a", "a.append(2)")
    found = session(tmp_path, cells, [], ["a", "f"])
    assert found["wrong"] == [
        [
            "f: facts: expected ('f', 'f', '__main__', None, 0, ('a',)), got ('f', 'f', '__main__', None, 0, ())"
        ],
        [],
    ]


@pytest.mark.kishu
def test_functions_that_call_each_other_fail_its_commit(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    cells = ["def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)"]
    arguments = [str(tmp_path / "store"), *map(json.dumps, (cells, [], []))]
    done = subprocess.run(
        [python_of("kishu"), "-c", _SESSION, *arguments], capture_output=True, text=True, check=False
    )
    assert "RecursionError" in done.stderr


def test_that_it_loads_whole_versions_is_recorded() -> None:
    assert options_of("kishu") == {"mode": "sync", "partial_load": "no effect"}


@pytest.mark.kishu
def test_what_it_runs_on_is_recorded() -> None:
    names = [
        name for name, _space, _version in (part.partition(" ") for part in version_of("kishu").split(", "))
    ]
    assert names[1:] == ["dill", "ipython", "numpy", "pandas", "Python"]


def test_it_has_an_interpreter_of_its_own() -> None:
    assert Path(python_of("kishu")).parts[-3:] == ("kishu", "bin", "python")
