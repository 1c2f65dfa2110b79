"""The shards of one run, measured on machines that share nothing, put together again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import UsageError
from harness.home import Home
from harness.results import write_cases
from harness.runs import RunFolder, difference, named_run

__all__ = ["Gathered", "gather"]

_SAME: Final = (
    "suite",
    "dataset",
    "cases",
    "rounds",
    "groups",
    "machine_id",
    "cpu_count",
    "commit",
    "harness_digest",
    "seeds",
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came of it: units that are new here, those there are now, and those that the plan has."""

    suite: str
    new: int
    total: int
    planned: int


def gather(home: Home, run_id: str, folders: Sequence[Path]) -> Gathered:
    """Copy the units of other folders of a run into its folder here, and make its results anew.

    Raises
    ------
    UsageError
        When a folder holds no part of this run, was measured with another plan, commit, harness, kind of machine or
        number of cpus, or has a unit that is here already with other figures. Nothing is copied then.
    """
    run = named_run(home, run_id)
    parts = [RunFolder(folder) for folder in folders]
    for part in parts:
        if not part.exists:
            raise UsageError(f"{part.folder} holds no run: its run.json is missing")
    facts = run.facts() if run.exists else parts[0].facts()
    new: dict[str, Path] = {}
    for part in parts:
        _require_same(facts, part)
        for unit in sorted((part.folder / "units").glob("*.json")):
            there = new.get(unit.name, run.folder / "units" / unit.name)
            if not there.exists():
                new[unit.name] = unit
            elif json.loads(there.read_text()) != json.loads(unit.read_text()):
                raise UsageError(f"{unit} was measured twice, with different figures; remove one of them")
    dirty = facts["dirty"] or any(part.facts()["dirty"] for part in parts)
    with run.held():
        if not run.exists or dirty != facts["dirty"]:
            run.begin({**facts, "dirty": dirty})
        for unit in new.values():
            _copy_with_files(unit, run)
        write_cases(run)
    return Gathered(facts["suite"], len(new), len(run.units()), facts["rounds"] * len(facts["groups"]))


def _require_same(facts: dict[str, Any], part: RunFolder) -> None:
    if another := difference(facts, part.facts(), _SAME):
        raise UsageError(f"{part.folder} was measured with another {another} than the rest of the run")


def _copy_with_files(unit: Path, run: RunFolder) -> None:
    """Copy a unit's logs and notebooks, then the unit: where it is, they are."""
    kept = json.loads(unit.read_text())
    for outcome in kept["outcomes"]:
        for kind in ("logs", "notebooks"):
            for path in sorted((unit.parent.parent / kind).glob(f"{outcome['case']}-r{kept['round']}[.-]*")):
                shutil.copyfile(path, run.folder / kind / path.name)
    run.write_unit(kept["group"], kept["round"], kept)
