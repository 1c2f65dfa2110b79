"""A run on disk, so that it can be stopped anywhere and gone on with.

results/local/<run_id>/
    run.json                     the plan, the machine, the dataset
    units/<group>-r<round>.json  one round of a group, all its trials; written in one step, never half
    <case>.json                  results, made from the units after each
    notebooks/, logs/            what papermill executed and what it said
    work/                        mounts and orders of the trial that runs now; empty between trials
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.durable import write_json
from harness.errors import UsageError
from harness.home import Home

__all__ = ["RunFolder", "latest_run", "new_run_id", "open_run"]


def new_run_id() -> str:
    """Return an id that sorts by time and does not repeat."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}"


class RunFolder:
    """One run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.folder.name

    @property
    def work(self) -> Path:
        """Where the trial that runs now keeps its mounts."""
        return self.folder / "work"

    @property
    def exists(self) -> bool:
        """Whether the run was ever begun."""
        return (self.folder / "run.json").exists()

    def facts(self) -> dict[str, Any]:
        """Return what `begin` wrote."""
        facts: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return facts

    def begin(self, facts: Mapping[str, object]) -> None:
        """Write down what this run is."""
        for name in ("units", "notebooks", "logs", "work"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "run.json", facts)

    def _unit(self, group: str, trial_round: int) -> Path:
        return self.folder / "units" / f"{group}-r{trial_round}.json"

    def has_unit(self, group: str, trial_round: int) -> bool:
        """Say whether a round of a group is complete."""
        return self._unit(group, trial_round).exists()

    def write_unit(self, group: str, trial_round: int, unit: Mapping[str, object]) -> None:
        """Keep one round of a group, whole."""
        write_json(self._unit(group, trial_round), unit)

    def units(self) -> list[dict[str, Any]]:
        """Return all complete units, by round."""
        found = [json.loads(path.read_text()) for path in sorted((self.folder / "units").glob("*.json"))]
        return sorted(found, key=lambda unit: (unit["round"], unit["group"]))

    def cases(self) -> list[dict[str, Any]]:
        """Return the run's results as they are written."""
        return [json.loads(p.read_text()) for p in sorted(self.folder.glob("*.json")) if p.name != "run.json"]

    def complete(self) -> bool:
        """Say whether every round of every group is there."""
        facts = self.facts()
        expected: int = facts["rounds"] * len(facts["groups"])
        return len(self.units()) == expected


def open_run(home: Home, run_id: str) -> RunFolder:
    """Return an existing run; ``last`` is the newest.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if run_id == "last" and (run := latest_run(home)):
        return run
    run = RunFolder(home.runs / run_id)
    if "/" in run_id or not run.exists:
        known = sorted(path.parent.name for path in home.runs.glob("*/run.json"))
        raise UsageError(f"no run {run_id!r}; there are: {', '.join(known[-5:]) or 'none'}")
    return run


def latest_run(home: Home) -> RunFolder | None:
    """Return the newest run."""
    found = sorted(path.parent for path in home.runs.glob("*/run.json"))
    return RunFolder(found[-1]) if found else None
