"""Units on nodes that Slurm gives, through dask-jobqueue: each job has one node to itself and runs one unit at a time.

Queue, account, walltime and memory are those of the user's own dask-jobqueue configuration (``jobqueue.slurm`` in
``~/.config/dask/jobqueue.yaml``).
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from harness.errors import HarnessError, NotInstalled
from harness.ground import GroundOrder
from harness.jobs._dask import on_client, require_dask
from harness.jobs._jobs import Jobs
from harness.unit import Watcher

__all__ = ["slurm_jobs"]

_MEMORY: Final = "8GB"


@contextmanager
def slurm_jobs(workers: int, order: GroundOrder, run_id: str, watcher: Watcher) -> Iterator[Jobs]:
    """Measure in `workers` jobs of one node each.

    Raises
    ------
    NotInstalled
        Without dask-jobqueue or Slurm.
    HarnessError
        When Slurm refuses the jobs.
    """
    require_dask("dask_jobqueue")
    if shutil.which("sbatch") is None:
        raise NotInstalled("sbatch is not on PATH: --jobs slurm runs where Slurm takes jobs")
    import dask
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    configured = dask.config.get("jobqueue.slurm", {})
    try:
        cluster = SLURMCluster(
            cores=1,  # of the worker: one unit at a time; the job has the whole node
            processes=1,
            job_cpu=configured.get("job-cpu") or configured.get("cores"),
            memory=configured.get("memory") or _MEMORY,
            job_extra_directives=["--exclusive"],
            scheduler_options={**configured.get("scheduler-options", {}), "dashboard_address": ":0"},
        )
    except (OSError, ValueError) as error:
        raise HarnessError(f"no Dask scheduler for Slurm: {error}") from None
    with cluster:
        _check(cluster.job_script())
        cluster.scale(jobs=workers)
        with (
            Client(cluster, set_as_default=False) as client,
            on_client(client, order, run_id, watcher) as jobs,
        ):
            yield jobs


def _check(script: str) -> None:
    """Have Slurm look at a job's script without running it: a refusal later on would be said to nobody."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            ["sbatch", "--test-only", file.name], capture_output=True, text=True, check=False, timeout=60
        )
    if done.returncode:
        raise HarnessError(f"Slurm refuses the jobs: {' '.join((done.stderr or done.stdout).split())}")
