from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.jobs import JobsSpec, parse_jobs
from tests.harness.bench import Bench


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        (None, JobsSpec("here", 1)),
        ("1", JobsSpec("here", 1)),
        ("3", JobsSpec("processes", 3)),
        ("dask://host:8786", JobsSpec("dask", 0, "tcp://host:8786")),
        ("slurm", JobsSpec("slurm", 2)),
        ("slurm:8", JobsSpec("slurm", 8)),
    ],
)
def test_jobs_say_where_and_how_many_at_once(text: str | None, spec: JobsSpec) -> None:
    assert parse_jobs(text) == spec


@pytest.mark.parametrize(
    "text", ["0", "-1", "dask://", "dask://host", "dask:host:1", "slurm:0", "slurm:x", "pbs"]
)
def test_what_jobs_cannot_mean_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--jobs"):
        parse_jobs(text)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor cannot be shared")
def test_two_units_at_once_have_processors_of_their_own_and_count_as_noisy(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    bench.run("--rounds", "3", "--jobs", "2")

    (run,) = bench.runs()
    assert [number for _, number in bench.trials(run)] == [1, 2, 3]
    (result,) = bench.results(run, "tmpfs_*.json")
    half = len(os.sched_getaffinity(0)) // 2
    assert {len(trial["cpus"]) for trial in result["trials"]} == {half}
    assert all(trial["noisy"] for trial in result["trials"])
    assert bench.left() == []


def test_more_jobs_than_processors_are_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    _, err = bench.run("--jobs", "1000", code=2)

    assert "1000 jobs at once need as many processors" in err


def test_without_dask_a_cluster_is_refused_with_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "import sys; from importlib import util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name.startswith(('distributed', 'dask')) else find(name, *rest)\n"
        "from harness.cli import main\n"
        f"sys.argv = ['harness', 'run', {str(Bench(tmp_path).suite)!r}, '--loader', 'pillow', '--jobs', 'dask://h:1']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HARNESS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "harness: distributed is not installed: pip install 'pond-pod-bench[cluster]'"
    )
