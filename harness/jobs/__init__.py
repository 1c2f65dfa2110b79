"""Where units are measured: here, several at once, on a Dask cluster, or on Slurm's nodes.

Whoever measures is told a `UnitOrder` and answers with what is to be kept; only the run itself writes results. So it is
all one whether a unit was measured here or elsewhere, and one that was lost on the way is simply measured again.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from harness.ground import GroundOrder
from harness.home import Home
from harness.jobs._dask import dask_jobs
from harness.jobs._here import here
from harness.jobs._jobs import Jobs, JobsSpec, UnitResult, parse_jobs
from harness.jobs._processes import processes
from harness.jobs._slurm import slurm_jobs
from harness.runs import RunFolder
from harness.unit import Watcher

__all__ = ["Jobs", "JobsSpec", "UnitResult", "open_jobs", "parse_jobs"]


def open_jobs(
    spec: JobsSpec, order: GroundOrder, run: RunFolder, home: Home, watcher: Watcher
) -> AbstractContextManager[Jobs]:
    """Return the place to measure at that `spec` names, to be entered.

    Raises
    ------
    HarnessError
        On entering, when it cannot be reached or the ground cannot be laid there.
    """
    if spec.kind == "processes":
        return processes(order, spec.at_once, watcher)
    if spec.kind == "dask":
        return dask_jobs(spec.address, order, run.run_id, watcher)
    if spec.kind == "slurm":
        return slurm_jobs(spec.at_once, order, run.run_id, watcher)
    return here(order, run, home, watcher)
