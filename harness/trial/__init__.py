"""One trial in a process of its own: ``python -m harness.trial trial.json`` executes its notebook with papermill."""

from __future__ import annotations

import gc
import importlib.util
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from harness.spec import TrialSpec

__all__ = ["execute_notebook", "main", "run_notebook"]

_ENGINE: Final = "in-process"


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


def _load_lazily(name: str) -> None:
    """Have a module that is executed when something of it is used."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.loader is not None:
        spec.loader = importlib.util.LazyLoader(spec.loader)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def execute_notebook(
    notebook: str, executed: str, parameters: Mapping[str, object], folder: str
) -> str | None:
    """Execute a notebook in this process with papermill; return None, or what went wrong in one line.

    Parameters
    ----------
    executed
        Where the executed copy goes.
    folder
        What its cells see as the current folder.
    """
    logging.getLogger("papermill").setLevel(logging.ERROR)
    # papermill would load clients for HTTP and S3, for half of the time that its import takes.
    _load_lazily("requests")
    modules = cast("dict[str, object]", sys.modules)
    modules["boto3"] = None  # as if it were not installed: papermill does without
    import papermill

    del modules["boto3"]
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError

    from harness.trial._engine import InProcessEngine

    papermill_engines.register(_ENGINE, InProcessEngine)
    try:
        papermill.execute_notebook(
            notebook,
            executed,
            parameters=parameters,
            engine_name=_ENGINE,
            progress_bar=False,
            cwd=folder,
        )
    except PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}".splitlines()[0]
    return None


def run_notebook(order: Path) -> str | None:
    """Execute the trial's notebook; return None, or what went wrong in one line."""
    spec = TrialSpec.read(order)
    return execute_notebook(spec.notebook, spec.executed, _parameters(spec, order), spec.work)


def main(arguments: list[str]) -> int:
    """Run the trial that the file describes; a failure is written beside its result."""
    order = Path(arguments[0])
    spec = TrialSpec.read(order)
    for join in spec.cgroups:  # before any child is born
        Path(join).write_text("0\n")
    problem = run_notebook(order)
    gc.freeze()  # what ends now need not be searched for cycles: that takes as long as importing numpy
    if problem is None:
        return 0
    Path(spec.result).with_suffix(".failed").write_text(json.dumps({"reason": problem}))
    return 1
