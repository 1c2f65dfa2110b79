"""Runs one trial in a process of its own and brings back what came of it, whatever that is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import TrialFailed
from harness.leftovers import clear_tree, end_process, note_process
from harness.procfs import start_ticks
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

    def as_json(self) -> dict[str, object]:
        """Return the form that a unit holds."""
        return {"case": self.case, "status": self.status, "reason": self.reason, "trial": self.trial}


def run_trial(spec: TrialSpec, run: RunFolder, timeout_s: float, environment: Mapping[str, str]) -> Outcome:
    """Run a trial in a fresh process; afterwards nothing of it is left, however it ended."""
    clear_tree(run.work)
    work = Path(spec.work)
    work.mkdir(parents=True)
    order = work / "trial.json"
    spec.write(order)
    log = run.folder / "logs" / f"{spec.case.id}-r{spec.round}.log"
    command = [sys.executable, "-m", "harness.trial", str(order)]
    if helper := shutil.which("setpriv"):  # ends with the run, even if the run is killed
        command = [helper, "--pdeathsig", "TERM", "--", *command]
    try:
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        ticks = start_ticks(child.pid)
        note_process(work, child.pid)
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return Outcome(spec.case.id, "timeout", f"no result after {timeout_s:.0f} s", None)
        finally:
            end_process(child.pid, ticks)
            child.wait()
        return _outcome(spec, child.returncode, log)
    finally:
        keep = list(work.glob("*/daemon.log"))
        for path in keep:
            shutil.copyfile(path, log.with_name(f"{log.stem}-{path.parent.name}-daemon.log"))
        clear_tree(run.work)


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
