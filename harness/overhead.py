"""What the harness itself costs: beside each trial's own work, and to plan a campaign."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Final

from rich.console import Console

from harness.campaign import Campaign
from harness.errors import TrialFailed
from harness.home import Home
from harness.plan import Options, build_plan
from harness.progress import RunProgress
from harness.runs import RunFolder
from harness.suite import Rules, Suite, SystemSpec, Workload

__all__ = [
    "BOUND_S",
    "PLANNED",
    "many_cases",
    "measure_overhead",
    "measure_plan",
    "overhead_line",
    "overheads_of",
]

BOUND_S: Final = 2.0
PLANNED: Final = 1200
_FILES: Final = 40


def overheads_of(run: RunFolder) -> list[float]:
    """Return the overhead of each trial of a run, in seconds."""
    found = [outcome.get("overhead_s") for unit in run.units() for outcome in unit["outcomes"]]
    return [float(seconds) for seconds in found if seconds is not None]


def overhead_line(run: RunFolder) -> str | None:
    """Return a line for a run's end; None when no trial succeeded."""
    found = overheads_of(run)
    if not found:
        return None
    return (
        f"the harness took {statistics.median(found):.1f} s a trial beside its notebook's own work "
        f"(median of {len(found)}, at most {max(found):.1f} s)"
    )


def measure_plan(home: Home, repeats: int) -> float:
    """Return the median seconds that ``harness plan`` takes, from start to end, for a suite of `PLANNED` cases.

    Raises
    ------
    TrialFailed
        When it fails.
    """
    home.cache.mkdir(parents=True, exist_ok=True)
    taken = []
    with tempfile.TemporaryDirectory(prefix="overhead-", dir=home.cache) as folder:
        suite = Path(folder) / "many.toml"
        suite.write_text(many_cases())
        for _ in range(repeats):
            begin = time.perf_counter()
            command = [sys.executable, "-m", "harness", "plan", str(suite), "--loader", "pillow"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            taken.append(time.perf_counter() - begin)
            if done.returncode or len(done.stdout.splitlines()) < PLANNED:
                raise TrialFailed(f"harness plan failed: {done.stderr.strip().splitlines()[-1:]}")
    return statistics.median(taken)


def many_cases() -> str:
    """Return a suite of four configs and as many workloads as it takes."""
    workloads = "".join(
        f'[[workload]]\nname = "b{size}"\nparams = {{ access = "random", batch_size = {size} }}\n'
        for size in range(1, PLANNED // 4 + 1)
    )
    return (
        'schema = 1\nname = "many"\nkind = "fuse"\nrepeats = 1\ntimeout_s = 60\nscale = "1/32"\n'
        '[[system]]\nname = "pond"\nconfigs = ["2GiB", "19GiB", "19GiB+pagecache"]\n'
        f'[[system]]\nname = "tmpfs"\nconfigs = ["files"]\n{workloads}'
    )


def measure_overhead(home: Home, trials: int, console: Console) -> list[float]:
    """Run the smallest trial there is, `trials` times, and return the overhead of each in seconds."""
    suite = Suite(
        source="overhead",
        name="overhead",
        kind="fuse",
        repeats=trials,
        timeout_s=120,
        scale=Fraction(_FILES, 118_287),
        systems=(SystemSpec("tmpfs", ("files",)),),
        workloads=(Workload("serial", access="serial", mode="raw", batch_size=8, workers=2),),
        rules=Rules(other_cpu_limit=1.0),
    )
    plan = build_plan(suite, Options(), "pillow")
    home.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="overhead-", dir=home.cache) as folder:
        run = RunFolder(Path(folder) / "run")
        with RunProgress(console) as progress:
            Campaign(plan, home, run).run(progress)
        return overheads_of(run)
