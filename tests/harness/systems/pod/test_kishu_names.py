"""Kishu, in the interpreter that it is installed for: cells go on as they do without it, and what it leaves out is named."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.systems.pod import python_of

PROGRAM = """
import json, sys
from pathlib import Path
from harness.systems.pod import open_system

system = open_system("kishu", Path("store"))
system.seed(123)
namespace, saved = system.namespace(), []
for source in json.loads(sys.argv[1]):
    system.run(compile(source, "<cell>", "exec"), source, namespace)
    saved.append((system.save(namespace), sorted(system.unsaved)))
found = []
for version, unsaved in saved:
    loaded = system.load(version)
    found.append([unsaved, {name: loaded[name] for name in ("a", "b", "_b") if name in loaded}])
print(json.dumps(found))
"""


@pytest.fixture
def played(tmp_path: Path) -> Any:
    """Run cells with a save after each; return for each version what was left out, and what is loaded."""

    def play(cells: Sequence[str]) -> Any:
        command = [python_of("kishu"), "-c", PROGRAM, json.dumps(cells)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    return play


@pytest.mark.kishu
def test_cells_draw_the_numbers_of_the_seed(played: Any) -> None:
    versions = played(
        [
            "from random import random\na = random()\ndel random",
            "import random\nb = random.random()\ndel random",
        ]
    )

    generator = random.Random(123)
    assert [version for _, version in versions] == [
        {"a": (a := generator.random())},
        {"a": a, "b": generator.random()},
    ]


@pytest.mark.kishu
def test_names_that_it_takes_for_ipythons_are_named_as_unsaved(played: Any) -> None:
    versions = played(["a = 1\n_b = 2\n_ = 3", "_b = 4\n_i7 = 5"])

    assert versions == [[["_b"], {"a": 1}], [["_b"], {"a": 1}]]
