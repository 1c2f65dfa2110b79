"""The published figures, as ratios: `results/published/chipmink.csv`."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Published", "published_ratio"]

_FILE: Final = Path(__file__).resolve().parents[2] / "results" / "published" / "chipmink.csv"
# Where a workload's rows stand, by whether its data variables are left out; each workload is in one of them.
_PLAIN: Final = ("exp1_notebooks", "exp1_scripts", "exp1_access_patterns", "exp2_mutation", "exp2_scaling")
_EXCLUDED: Final = ("exp1_selective", "exp2_mutation", "exp2_scaling")
_COLUMNS: Final = {"storage_bytes": "storage_gb", "blocked_s": "avg_save_s", "load_s": "median_load_s"}

_Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Published:
    """What was published of a system on a workload: by metric the best baseline's figure over its own."""

    ratios: Mapping[str, float]


@functools.cache
def _tables() -> Mapping[tuple[str, str], Mapping[str, _Figures]]:
    """Return the figures by experiment and workload, then by system."""
    found: dict[tuple[str, str], dict[str, _Figures]] = {}
    with _FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            figures = {metric: float(row[column]) for metric, column in _COLUMNS.items() if row[column]}
            found.setdefault((row["experiment"], row["workload"]), {})[row["sut"]] = figures
    return found


def published_ratio(case: Mapping[str, Any], baselines: Sequence[str]) -> Published | None:
    """Return the published ratios of a case's system on its workload; None where there are none."""
    workload = case["name"]
    if case["name"] == "rmtree":
        workload = ";".join(f"{name}={value}" for name, value in case["parameters"].items())
    for experiment in _EXCLUDED if case["exclude"] else _PLAIN:
        table = _tables().get((experiment, workload), {})
        if case["system"] in table:
            return Published(_ratios(table, table[case["system"]], baselines))
    return None


def _ratios(table: Mapping[str, _Figures], own: _Figures, baselines: Sequence[str]) -> dict[str, float]:
    found = {}
    for metric, value in own.items():
        others = [table[name][metric] for name in baselines if metric in table.get(name, {})]
        if others and value > 0:
            found[metric] = min(others) / value
    return found
