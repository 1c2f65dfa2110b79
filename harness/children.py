"""Processes of a trial: each ends with the one that started it, and nothing of it is left when it has ended."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import TrialTimeout
from harness.leftovers import end_process, note_process
from harness.procfs import start_ticks

__all__ = ["bound_to_parent", "run_child"]


def bound_to_parent(command: Sequence[str]) -> list[str]:
    """Return the command that starts this one as a process which ends with its parent; the same without setpriv(1)."""
    helper = shutil.which("setpriv")
    return [helper, "--pdeathsig", "TERM", "--", *command] if helper else [*command]


def run_child(
    command: Sequence[str],
    work: Path,
    log: Path,
    timeout_s: float,
    environment: Mapping[str, str],
    directory: Path | None = None,
) -> int:
    """Run a command until it ends, and return its code; afterwards none of its descendants is left, either.

    Parameters
    ----------
    work
        The trial's folder, where it is noted, so that whoever comes next can end what a killed run has left.
    log
        Where its output goes.
    environment
        Added to this process's own.
    directory
        The current folder of the process; this one's when left out.

    Raises
    ------
    TrialTimeout
        It did not end in time, and was ended.
    """
    with log.open("wb") as output:
        child = subprocess.Popen(
            bound_to_parent(command),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    ticks = start_ticks(child.pid)
    note_process(work, child.pid)
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise TrialTimeout(f"no result after {timeout_s:.0f} s") from None
    finally:
        end_process(child.pid, ticks)
        child.wait()
