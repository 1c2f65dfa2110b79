"""One trial in a process of its own: ``python -m harness.trial trial.json`` executes its notebook with papermill."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import cast

from harness.spec import TrialSpec

__all__ = ["main", "run_notebook"]

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _parameters(spec: TrialSpec, order: Path) -> dict[str, object]:
    case = spec.case
    return {
        "trial_file": str(order),
        "system": case.system,
        "config": case.config,
        "access": case.access,
        "mode": case.mode,
        "loader": case.loader,
        "batch_size": case.batch_size,
        "workers": case.workers,
        "image_px": case.image_px,
        "seed": spec.seed,
        "trial_round": spec.round,
        "verify": spec.twin,
    }


def run_notebook(order: Path) -> str | None:
    """Execute the trial's notebook; return None, or what went wrong in one line."""
    # papermill would load an S3 client for a third of a second; this makes it do without one.
    cast("dict[str, object]", sys.modules).setdefault("boto3", None)
    import papermill
    from papermill.exceptions import PapermillExecutionError

    spec = TrialSpec.read(order)
    try:
        papermill.execute_notebook(
            spec.notebook,
            spec.executed,
            parameters=_parameters(spec, order),
            kernel_name="python3",
            progress_bar=False,
            cwd=spec.work,
        )
    except PapermillExecutionError as error:
        return _ANSI.sub("", f"{error.ename}: {error.evalue}").splitlines()[0]
    return None


def main(arguments: list[str]) -> int:
    """Run the trial that the file describes; a failure is written beside its result."""
    order = Path(arguments[0])
    for join in TrialSpec.read(order).cgroups:  # before any child is born
        Path(join).write_text("0\n")
    logging.getLogger("papermill").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")  # papermill's and the kernel's own; the notebook's stay in the notebook
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    problem = run_notebook(order)
    if problem is None:
        return 0
    Path(TrialSpec.read(order).result).with_suffix(".failed").write_text(json.dumps({"reason": problem}))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
