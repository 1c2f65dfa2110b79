"""Snapshots that are stored smaller."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.systems.pod import open_system
from tests.harness.systems.pod.sessions import play

CELLS = (
    "import random\nrng = random.Random(42)\nl = [rng.randbytes(100) for _ in range(1000)]",
    "l[500] = rng.randbytes(100)",
)


def sizes(name: str, folder: Path, cells: tuple[str, ...]) -> list[int]:
    system = open_system(name, folder)
    play(system, cells, ())
    found = [path.stat().st_size for path in sorted(folder.iterdir())]
    assert system.size() == sum(found)
    system.close()
    return found


def test_later_snapshots_are_differences_from_the_first(tmp_path: Path) -> None:
    plain, small = sizes("snp", tmp_path / "snp", CELLS), sizes("snx", tmp_path / "snx", CELLS)
    assert small[0] == plain[0]
    assert small[1] < plain[1] / 20


def test_text_is_stored_smaller_by_lz4(tmp_path: Path) -> None:
    cells = ("l = ['as like as two peas'] * 10 + [f'{n:09}' for n in range(9999)]",)
    assert sizes("snz", tmp_path / "snz", cells)[0] < sizes("snp", tmp_path / "snp", cells)[0] / 1.5


def test_a_damaged_difference_is_an_error(tmp_path: Path) -> None:
    system = open_system("snx", tmp_path / "snx")
    _first, second = play(system, CELLS, ())
    (tmp_path / "snx" / "t2.pkl").write_bytes(b"no difference")
    with pytest.raises((HarnessError, EOFError)):
        system.load(second.version)
    system.close()
