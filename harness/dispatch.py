"""Runs one trial in a process of its own and brings back what came of it, whatever that is."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.cgroup import Cgroup, cgroup_folders, make_cgroup
from harness.children import run_child
from harness.errors import TrialFailed, TrialTimeout
from harness.leftovers import clear_tree, note_cgroup
from harness.runs import RunFolder
from harness.spec import TrialSpec

__all__ = ["Outcome", "run_trial"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trial's result, or why there is none."""

    case: str
    status: str
    reason: str | None
    trial: dict[str, Any] | None
    wall_s: float = 0.0
    """From the trial's start to the moment when nothing of it was left."""
    overhead_s: float | None = None
    """That time without the notebook's own work: processes, imports, papermill, clearing up."""
    cgroup: dict[str, object] | None = None

    def as_json(self) -> dict[str, object]:
        """Return the form that a unit holds."""
        return asdict(self)


def run_trial(
    spec: TrialSpec,
    run: RunFolder,
    timeout_s: float,
    environment: Mapping[str, str],
    memory_bytes: int | None = None,
) -> Outcome:
    """Run a trial in a fresh process; afterwards nothing of it is left, however it ended.

    Parameters
    ----------
    spec
        The trial's order.
    run
        Where its work, log and notebook go.
    timeout_s
        After so many seconds it is ended, and the outcome says so.
    environment
        Added to this process's own.
    memory_bytes
        How much memory it may use, page cache included, where control groups are permitted; None for any.
    """
    begin = time.perf_counter()
    clear_tree(run.work)
    work = Path(spec.work)
    work.mkdir(parents=True)
    group: Cgroup | None = None
    log = run.folder / "logs" / f"{spec.case.id}-r{spec.round}.log"
    try:
        for folder in cgroup_folders(work.name):
            note_cgroup(work, folder)
        group = make_cgroup(work.name, memory_bytes, spec.cpus)
        outcome = _attempt(replace(spec, cgroups=group.joins if group else ()), log, timeout_s, environment)
        if group:
            outcome = _with_memory(outcome, group)
    finally:
        if group:
            group.remove()
        for path in work.glob("*/daemon.log"):
            shutil.copyfile(path, log.with_name(f"{log.stem}-{path.parent.name}-daemon.log"))
        clear_tree(run.work)
    wall_s = time.perf_counter() - begin
    payload_s = _payload_s(Path(spec.executed)) if outcome.status == "ok" else None
    overhead_s = None if payload_s is None else round(wall_s - payload_s, 3)
    return replace(outcome, wall_s=round(wall_s, 3), overhead_s=overhead_s)


def _attempt(spec: TrialSpec, log: Path, timeout_s: float, environment: Mapping[str, str]) -> Outcome:
    work = Path(spec.work)
    order = work / "trial.json"
    spec.write(order)
    command = [sys.executable, "-m", "harness.trial", str(order)]
    try:
        code = run_child(command, work, log, timeout_s, environment)
    except TrialTimeout as error:
        return Outcome(spec.case.id, "timeout", str(error), None)
    return _outcome(spec, code, log)


def _outcome(spec: TrialSpec, code: int, log: Path) -> Outcome:
    result = Path(spec.result)
    if code == 0 and result.exists():
        return Outcome(spec.case.id, "ok", None, json.loads(result.read_text()))
    failed = result.with_suffix(".failed")
    if failed.exists():
        reason = str(json.loads(failed.read_text())["reason"])
    else:
        lines = log.read_text(errors="replace").strip().splitlines()
        reason = f"the trial's process ended with {code}: {lines[-1] if lines else 'no output'}"
    reason = reason.replace(spec.work, "WORK").removeprefix(f"{TrialFailed.__name__}: ")
    return Outcome(spec.case.id, "failed", reason, None)


def _with_memory(outcome: Outcome, group: Cgroup) -> Outcome:
    kills = group.oom_kills()
    if outcome.status != "ok" and kills and group.memory_limit_bytes:
        limit = f"{group.memory_limit_bytes >> 20} MiB"
        outcome = replace(outcome, reason=f"out of memory at the limit of {limit}: {outcome.reason}")
    return replace(outcome, cgroup=group.as_json())


def _payload_s(executed: Path) -> float | None:
    """Return the seconds of the notebook's cells behind its parameters and imports, as papermill noted them."""
    try:
        cells = json.loads(executed.read_text())["cells"]
    except (OSError, ValueError):
        return None
    own = [cell["metadata"] for cell in cells if cell["cell_type"] == "code"]
    untagged = [metadata for metadata in own if not metadata.get("tags")]
    return sum(float(metadata.get("papermill", {}).get("duration") or 0.0) for metadata in untagged[1:])
