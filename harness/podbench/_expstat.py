"""Results in the published layout: `exp1_<system>_<workload>/expstat.json`, for the published plots.

A later round of a case is its repetition: the second one is ``[n=1]``, unless the case was asked for with an ``[n=K]`` of
its own, of which the first round alone is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.durable import write_json

__all__ = ["export_expstat", "expstat_of"]


def expstat_of(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's samples under the published names."""
    samples, loads = trial["samples"], trial["warm"]["loads"]
    return {
        "dumps": samples["dumps"],
        "loads": loads,
        "dump_sum_t_s": sum(dump["time_s"] for dump in samples["dumps"]),
        "load_sum_t_s": sum(load["time_s"] for load in loads),
        "async_dumps": samples["async_dumps"],
        "async_dump_sum_t_s": sum(dump["time_s"] for dump in samples["async_dumps"]),
        "exec_times": samples["exec_times"],
        "lock_times": samples["lock_times"],
        "join_times": samples["join_times"],
    }


def _named(case: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    name = f"exp1_{case['system']}_{case['workload']}"
    for place, trial in enumerate(case["trials"]):
        if place == 0:
            yield name, trial
        elif case["repetition"] is None:
            yield f"{name}[n={place}]", trial


def export_expstat(cases: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Write all trials of some cases below a folder; return the files."""
    written = []
    for case in cases:
        for name, trial in _named(case):
            path = folder / name / "expstat.json"
            write_json(path, expstat_of(trial))
            written.append(path)
    return written
