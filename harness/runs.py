"""A run on disk, so that it can be stopped anywhere and gone on with.

results/local/<run_id>/
    run.json                     the plan, the machine, the dataset
    units/<group>-r<round>.json  one round of a group, all its trials; written in one step, never half
    <case>.json                  results, made from the units
    notebooks/, logs/            what papermill executed and what it said
    work/                        mounts and orders of the trial that runs now; empty between trials
    .lock                        held by the process that measures for the run
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness.durable import write_json
from harness.errors import UsageError
from harness.home import Home
from harness.schemas import of_files

__all__ = [
    "RunFolder",
    "all_runs",
    "difference",
    "is_named",
    "latest_run",
    "named_run",
    "new_run_id",
    "open_run",
    "try_lock",
]

_GENERATED: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
# Facts of a run, as people call them.
_CALLED: Final = {"cpu_count": "number of cpus", "harness_digest": "harness", "references": "reference run"}


def is_named(run_id: str) -> bool:
    """Say whether a run was given its name: it may be in parts on several machines, and goes on only when asked for."""
    return not _GENERATED.fullmatch(run_id)


def new_run_id() -> str:
    """Return an id that sorts by time and does not repeat."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}"


def difference(before: Mapping[str, object], now: Mapping[str, object], keys: Collection[str]) -> str | None:
    """Return the first of some facts in which two parts of a run differ, as people call it; None without any."""
    return next((_CALLED.get(key, key) for key in keys if before.get(key) != now.get(key)), None)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold a lock file while the block runs, unless somebody else does; yields whether it could be had."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


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
    def lock(self) -> Path:
        """The file that whoever measures for this run holds."""
        return self.folder / ".lock"

    @property
    def exists(self) -> bool:
        """Whether the run was ever begun."""
        return (self.folder / "run.json").exists()

    def facts(self) -> dict[str, Any]:
        """Return what `begin` wrote."""
        facts: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return facts

    def prepare(self) -> None:
        """Make the folders that trials write to."""
        for name in ("units", "notebooks", "logs", "work"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def begin(self, facts: Mapping[str, object]) -> None:
        """Write down what this run is."""
        self.prepare()
        write_json(self.folder / "run.json", facts)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from measuring for this run while the block runs.

        Raises
        ------
        UsageError
            When another process does.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with try_lock(self.lock) as ours:
            if not ours:
                raise UsageError(f"run {self.run_id} is going on in another process")
            yield

    def goes_on(self) -> bool:
        """Say whether another process measures for this run now."""
        try:
            with self.lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def unit_path(self, group: str, trial_round: int) -> Path:
        """Return where a round of a group is kept."""
        return self.folder / "units" / f"{group}-r{trial_round}.json"

    def has_unit(self, group: str, trial_round: int) -> bool:
        """Say whether a round of a group is complete."""
        return self.unit_path(group, trial_round).exists()

    def write_unit(self, group: str, trial_round: int, unit: Mapping[str, object]) -> None:
        """Keep one round of a group, whole."""
        write_json(self.unit_path(group, trial_round), unit)

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
        rounds = range(1, facts["rounds"] + 1)
        return all(self.has_unit(group, number) for number in rounds for group in facts["groups"])


def named_run(home: Home, run_id: str) -> RunFolder:
    """Return the run of that name, which need not exist.

    Raises
    ------
    UsageError
        When it cannot be the name of a run.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", run_id) or run_id == "last":
        raise UsageError(f"{run_id!r} is no name for a run: letters, digits, dots, dashes and underscores")
    return RunFolder(home.runs / run_id)


def open_run(home: Home, run_id: str, *, any_kind: bool = False) -> RunFolder:
    """Return an existing run that measures file systems, or with `any_kind` any; ``last`` is the newest of these.

    Raises
    ------
    UsageError
        When there is none of that name, or it measured something else.
    """
    if run_id == "last" and (run := latest_run(home, any_kind=any_kind)):
        return run
    run = RunFolder(home.runs / run_id)
    if "/" in run_id or not run.exists:
        known = [run.run_id for run in all_runs(home)]
        raise UsageError(f"no run {run_id!r}; there are: {', '.join(known[-5:]) or 'none'}")
    if not any_kind and not of_files(run.facts()["suite"]):
        raise UsageError(
            f"run {run_id!r} is of suite {run.facts()['suite']!r}, which measures no file systems"
        )
    return run


def latest_run(home: Home, *, any_kind: bool = False) -> RunFolder | None:
    """Return the newest run that measures file systems, or with `any_kind` of any."""
    wanted = (run for run in reversed(all_runs(home)) if any_kind or of_files(run.facts()["suite"]))
    return next(wanted, None)


def all_runs(home: Home) -> list[RunFolder]:
    """Return all runs on this machine, by the time when they were begun."""
    found = sorted(home.runs.glob("*/run.json"), key=lambda path: (path.stat().st_mtime_ns, path))
    return [RunFolder(path.parent) for path in found]
