"""Which results of file systems there are: published ones of this machine, and those of runs on it, newest first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.home import Home
from harness.identity import digest_of_result
from harness.runs import all_runs
from harness.schemas import of_files

__all__ = ["Found", "Inventory"]

PUBLISHED: Final = "published"
_RUNS: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A result that is there already."""

    where: str
    n: int
    label: str
    digest: str


class Inventory:
    """The results of this machine, of all suites."""

    def __init__(self, home: Home, machine_id: str) -> None:
        self._results: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}
        for where, suite, path in self._paths(home, machine_id):
            key = (suite, path.stem)
            if key not in self._results and (result := _measured(path, machine_id)):
                self._results[key] = (where, result)

    @staticmethod
    def _paths(home: Home, machine_id: str) -> Iterator[tuple[str, str, Path]]:
        runs = [(run, str(run.facts()["suite"])) for run in reversed(all_runs(home))]
        for run, suite in [(run, suite) for run, suite in runs if of_files(suite)][:_RUNS]:
            for path in sorted(run.folder.glob("*.json")):
                if path.name != "run.json":
                    yield run.run_id, suite, path
        for path in sorted(home.results.glob(f"*/{machine_id}/*.json")):
            if of_files(path.parts[-3]):
                yield PUBLISHED, path.parts[-3], path

    def of(self, suite: str, case_id: str) -> Found | None:
        """Return the newest result of a suite's case, if there is one."""
        if (suite, case_id) not in self._results:
            return None
        where, result = self._results[suite, case_id]
        return Found(where, len(result["trials"]), result["label"], digest_of_result(result))

    def results(self) -> list[Mapping[str, Any]]:
        """Return all results, the newest of each case of each suite."""
        return [result for _, result in self._results.values()]


def _measured(path: Path, machine_id: str) -> Mapping[str, Any] | None:
    """Return a result that has trials of this machine, else None."""
    try:
        result: Mapping[str, Any] = json.loads(path.read_text())
    except ValueError:
        return None
    return result if result["machine_id"] == machine_id and result["trials"] else None
