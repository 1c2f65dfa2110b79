"""Runs on a real Dask cluster of separate processes; a worker that is killed loses nothing and doubles nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.procfs import descendants
from tests.harness.bench import Bench, processes_of, read_until

pytest.importorskip("distributed", reason="distributed is not installed")

CLUSTER = Path(__file__).with_name("cluster.py")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def workers_home(tmp_path: Path) -> Path:
    """Where the workers keep their datasets: they share no file with the run."""
    home = tmp_path / "workers"
    home.mkdir()
    return home


@pytest.fixture
def address(workers_home: Path) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, str(CLUSTER), "2"],
        env={**os.environ, "HARNESS_HOME": str(workers_home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as cluster:
        assert cluster.stdout is not None
        yield json.loads(cluster.stdout.readline())["address"].replace("tcp://", "dask://")
        cluster.communicate("")


def unit_processes(home: Path) -> list[int]:
    """Return the processes that measure units for some workers."""
    return [
        pid
        for pid in processes_of(home)
        if b"harness.jobs._unit_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def process_in_a_trial(home: Path) -> int:
    """Wait until a unit is in the middle of a trial; return the unit's process."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for pid in unit_processes(home):
            if descendants(pid):
                return pid
        time.sleep(0.01)
    raise AssertionError("no unit was in the middle of a trial: the test would prove nothing")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def rounds(bench: Bench) -> list[tuple[str, int]]:
    (run,) = bench.runs()
    return [(case.partition("_")[0], number) for case, number in bench.trials(run)]


def test_units_are_measured_by_workers_and_kept_here(bench: Bench, address: str, workers_home: Path) -> None:
    out, err = bench.run("--rounds", "3", "--jobs", address)

    assert rounds(bench) == [("tmpfs", 1), ("tmpfs", 2), ("tmpfs", 3)]
    (run,) = bench.runs()
    (result,) = bench.results(run, "tmpfs_*.json")
    assert result["status"] == "ok"
    assert result["trials"][0]["epochs"][0]["verdict"] == {"ok": True, "checked": 40, "wrong": 0}
    assert sorted(path.name for path in (run / "notebooks").iterdir()) == [
        f"{result['id']}-r{number}.ipynb" for number in (1, 2, 3)
    ]
    assert "round 3 random-raw-b8-w2: tmpfs files" in err
    assert "tmpfs" in out
    assert not (bench.home.folder / ".cache" / "datasets").exists()
    assert bench.left() == []


def test_a_killed_workers_unit_runs_again_and_none_is_lost_or_doubled(
    bench: Bench, address: str, workers_home: Path
) -> None:
    with bench.running("--rounds", "4", "--jobs", address) as run:
        read_until(run, "round 2 ")

        os.kill(parent_of(process_in_a_trial(workers_home)), signal.SIGKILL)
        _, err = run.communicate(timeout=110)

    assert run.returncode == 0, err
    assert "goes again" in err
    assert rounds(bench) == [("tmpfs", number) for number in (1, 2, 3, 4)]
    (result,) = bench.results(bench.runs()[0], "tmpfs_*.json")
    assert [trial["round"] for trial in result["trials"]] == [1, 2, 3, 4]
    assert bench.left() == []


def test_a_stopped_run_stops_its_workers_and_goes_on_here(
    bench: Bench, address: str, workers_home: Path
) -> None:
    with bench.running("--rounds", "2", "--jobs", address) as run:
        read_until(run, "round 2 ")
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=100)
    assert run.returncode == 130, err
    assert unit_processes(workers_home) == []

    bench.run("--resume", "last")

    assert rounds(bench) == [("tmpfs", 1), ("tmpfs", 2)]


def test_no_scheduler_is_one_line(bench: Bench) -> None:
    _, err = bench.run("--jobs", "dask://127.0.0.1:9", code=1)

    assert err.strip().splitlines()[-1].startswith("harness: no Dask scheduler answers at")
    assert "Traceback" not in err
    assert bench.left() == []
