"""The parts of a run that machines measured which share nothing: what they must have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.gather import gather
from harness.home import Home
from harness.runs import RunFolder

FACTS: Mapping[str, Any] = {
    "suite": "fuse",
    "dataset": {"name": "by-hand"},
    "cases": [],
    "rounds": 2,
    "groups": ["random-decode"],
    "machine_id": "0123456789ab",
    "cpu_count": 2,
    "commit": "c" * 40,
    "harness_digest": "h" * 64,
    "seeds": {"order": 42},
    "dirty": False,
    "minimum_repeats": 5,
}


def part_of(folder: Path, number: int, **change: object) -> Path:
    """Make a folder with one round of a run."""
    part = RunFolder(folder)
    part.begin({**FACTS, **change})
    part.write_unit("random-decode", number, {"group": "random-decode", "round": number, "outcomes": []})
    return part.folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize(
    ("other", "called"), [({"cpu_count": 1}, "number of cpus"), ({"harness_digest": "i"}, "harness")]
)
def test_a_part_that_was_measured_otherwise_is_refused_and_nothing_copied(
    home: Home, tmp_path: Path, other: dict[str, object], called: str
) -> None:
    parts = [part_of(tmp_path / "a", 1), part_of(tmp_path / "b", 2, **other)]

    with pytest.raises(UsageError, match=f"measured with another {called} than the rest"):
        gather(home, "both", parts)

    assert not (home.runs / "both").exists()


def test_a_part_is_held_against_what_is_there_already(home: Home, tmp_path: Path) -> None:
    gather(home, "both", [part_of(tmp_path / "a", 1)])

    with pytest.raises(UsageError, match="another number of cpus"):
        gather(home, "both", [part_of(tmp_path / "b", 2, cpu_count=4)])


@pytest.mark.parametrize("dirty", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("together", [True, False])
def test_one_dirty_part_makes_the_whole_dirty(
    home: Home, tmp_path: Path, dirty: tuple[bool, bool], *, together: bool
) -> None:
    parts = [part_of(tmp_path / name, number, dirty=dirty[number - 1]) for number, name in enumerate("ab", 1)]

    for some in [parts] if together else [[part] for part in parts]:
        gather(home, "both", some)

    run = RunFolder(home.runs / "both")
    assert run.facts()["dirty"] is any(dirty)
    assert [unit["round"] for unit in run.units()] == [1, 2]
