"""``--jobs slurm`` with a Slurm of our own: an `sbatch` that starts the job's script on this machine at once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.harness.bench import Bench

pytest.importorskip("dask_jobqueue", reason="dask_jobqueue is not installed")

SBATCH = """#!/bin/sh
# Keeps the script for the test to read, and runs it as a job.
[ "$1" = --test-only ] && exit 0
cp "$1" "{folder}/job.sh"
setsid bash "{folder}/job.sh" >"{folder}/job.log" 2>&1 </dev/null &
echo "Submitted batch job $!"
echo $! >>"{folder}/jobs"
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do kill -TERM -- "-$job" 2>/dev/null; done
exit 0
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        program = programs / name
        program.write_text(text.format(folder=tmp_path) if name == "sbatch" else text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    bench = Bench(tmp_path)
    bench.env |= {
        "DASK_JOBQUEUE__SLURM__SCHEDULER_OPTIONS": '{"host": "127.0.0.1"}',
        "PATH": f"{programs}:{os.environ['PATH']}",
        "DASK_TEMPORARY_DIRECTORY": str(tmp_path),
    }
    return bench


def test_a_job_has_a_node_to_itself_and_measures_units(bench: Bench) -> None:
    bench.run("--rounds", "2", "--jobs", "slurm:1")

    (run,) = bench.runs()
    assert [number for _, number in bench.trials(run)] == [1, 2]
    script = (bench.home.folder / "job.sh").read_text()
    assert "#SBATCH --exclusive" in script
    assert "--nthreads 1" in script
    assert bench.left_in_the_end() == []


def test_a_refusal_is_one_line(bench: Bench) -> None:
    sbatch = bench.home.folder / "programs" / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid account' >&2\nexit 1\n")

    _, err = bench.run("--jobs", "slurm:1", code=1)

    assert err.strip().splitlines()[-1].startswith("harness: Slurm refuses the jobs")
    assert "invalid account" in err.strip().splitlines()[-1]
