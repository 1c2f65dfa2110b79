"""Results in the published layout: `exp1_<system>_<workload>/expstat.json`, for the published plots.

Workloads are called as they were typed, for the plots look for these names. The rounds of a case are its repetitions too,
``[n=0]``, ``[n=1]`` and so on, unless it was asked for with an ``[n=K]`` of its own, of which the first round alone is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.durable import write_json
from harness.errors import UsageError

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


def _named(case: Mapping[str, Any], workload: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    name, trials = f"exp1_{case['system']}_{workload}", case["trials"]
    if trials:
        yield name, trials[0]
    if len(trials) > 1 and case["repetition"] is None:
        yield from ((f"{name}[n={place}]", trial) for place, trial in enumerate(trials))


def export_expstat(cases: Sequence[Mapping[str, Any]], folder: Path, typed: Mapping[str, str]) -> list[Path]:
    """Write all trials of some cases below a folder; return the files.

    Parameters
    ----------
    typed
        How a workload was typed, by its name in the cases; one that is not there was not typed.

    Raises
    ------
    UsageError
        Two trials would be one file.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for case in cases:
        for name, trial in _named(case, typed.get(case["workload"], case["workload"])):
            if name in found:
                raise UsageError(
                    f"{name} would be a round and an [n=K] that was asked for: measure one of them in a run of its own"
                )
            found[name] = trial
    for name, trial in found.items():
        write_json(folder / name / "expstat.json", expstat_of(trial))
    return [folder / name / "expstat.json" for name in found]
