"""A run killed at random instants and gone on with has the same trials as one that was never killed.

Each kill has to hit a running trial: the run is stopped first (SIGSTOP), the trial's process is looked at, and only then
the run is killed. An instant between two trials is not counted; too many of those fail the test as proving nothing.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.procfs import start_ticks
from tests.harness.bench import Bench, processes_of

SUITE = """schema = 1
name = "small"
kind = "fuse"
repeats = 2
timeout_s = 60
scale = "40/118287"

{systems}

[[workload]]
name = "random"
params = {{ access = "random", mode = "raw", batch_size = 8, workers = 2 }}

[[workload]]
name = "serial"
params = {{ access = "serial", mode = "raw", batch_size = 8, workers = 2 }}

[rules]
other_cpu_limit = 1.0
"""
TMPFS = '[[system]]\nname = "tmpfs"\nconfigs = ["files"]\n'
POND = '[[system]]\nname = "pond"\nconfigs = ["19GiB"]\nprofiles = ["none"]\n'


def running_trial(home: Path) -> int | None:
    """Return the pid of the trial that runs now: written down, alive, and without a result."""
    for record in home.glob("results/local/*/work/*/leftovers.jsonl"):
        if (record.parent / "result.json").exists():
            continue
        for line in record.read_text().splitlines():
            entry = json.loads(line)
            if "pid" in entry and start_ticks(entry["pid"]) == entry["start_ticks"] is not None:
                return int(entry["pid"])
    return None


def wait_for_a_trial(run: subprocess.Popen[str], home: Path, *, other_than: int | None = None) -> int:
    deadline = time.monotonic() + 60
    while (pid := running_trial(home)) in {None, other_than}:
        assert run.poll() is None, "the run ended before its next trial"
        assert time.monotonic() < deadline, "no trial began within a minute"
        time.sleep(0.005)
    assert pid is not None
    return pid


def kill_in_a_trial(bench: Bench, chance: random.Random, *, after: int, trial_s: float) -> None:
    """Start the run or go on with it, let some trials pass, and kill it at a random instant of the next."""
    home = bench.home.folder
    with bench.running("--run-id", "killed") as run:
        trial = wait_for_a_trial(run, home)
        for _ in range(after):
            trial = wait_for_a_trial(run, home, other_than=trial)
        for _ in range(20):
            time.sleep(chance.uniform(0, trial_s))
            run.send_signal(signal.SIGSTOP)
            if running_trial(home) == trial:
                run.kill()
                run.communicate(timeout=30)
                return
            run.send_signal(signal.SIGCONT)
            trial = wait_for_a_trial(run, home, other_than=trial)
        run.kill()
    raise AssertionError("no kill in twenty hit a running trial: the test proves nothing")


def ended_by_themselves(home: Path) -> bool:
    """Wait until the processes of a killed run have noticed that it is gone."""
    deadline = time.monotonic() + 30
    while processes_of(home):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def check(tmp_path: Path, systems: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    whole, killed = (Bench(tmp_path / name, SUITE.format(systems=systems)) for name in ("whole", "killed"))
    (killed.home.folder / ".cache").symlink_to(whole.home.folder / ".cache")
    whole.run("--run-id", "whole")
    expected = whole.trials(whole.home.runs / "whole")
    assert len(expected) == len(set(expected)) >= 4
    trial_s = 0.8 * min(walls(whole.home.runs / "whole"))
    passed = Counter(chance.choices(range(kills), k=len(expected) - 2))

    for number in range(kills):
        kill_in_a_trial(killed, chance, after=passed[number], trial_s=trial_s)
        assert ended_by_themselves(killed.home.folder)
    assert 0 < len(killed.trials(killed.home.runs / "killed")) < len(expected)
    killed.run("--run-id", "killed")

    assert killed.trials(killed.home.runs / "killed") == expected
    for before, after in zip(
        whole.results(whole.home.runs / "whole"), killed.results(killed.home.runs / "killed"), strict=True
    ):
        assert [samples(trial) for trial in after["trials"]] == [samples(trial) for trial in before["trials"]]
        assert after["status"] == "ok"
    assert killed.left() == []


def walls(run: Path) -> list[float]:
    units = [json.loads(path.read_text()) for path in run.glob("units/*.json")]
    return [outcome["wall_s"] for unit in units for outcome in unit["outcomes"]]


def samples(trial: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(epoch["state"], sorted(epoch["samples"])) for epoch in trial["epochs"]]


@pytest.fixture(autouse=True)
def homes(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()


def test_three_kills_change_nothing(tmp_path: Path) -> None:
    check(tmp_path, TMPFS, kills=3, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    check(tmp_path, TMPFS, kills=20, seed=2)


@pytest.mark.slow
@pytest.mark.fuse
@pytest.mark.s3
@pytest.mark.timeout(900)
def test_kills_leave_no_mount_and_no_server(tmp_path: Path) -> None:
    check(tmp_path, POND + TMPFS, kills=8, seed=3)
