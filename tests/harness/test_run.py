"""Whole runs, tiny: real processes, papermill, mounts; Pillow and raw mode, so that they take seconds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from harness.cli import main
from harness.home import Home
from harness.leftovers import NAME
from harness.procfs import mount_points
from harness.results import load_results, validate

SUITE = """schema = 1
name = "tiny"
kind = "fuse"
repeats = 2
timeout_s = 60
scale = "40/118287"

[[system]]
name = "tmpfs"
configs = ["files"]

[[workload]]
name = "random"
params = { access = "random", mode = "raw", batch_size = 8, workers = 2 }

[rules]
other_cpu_limit = 1.0
"""


class Bench:
    """A home of its own, and the command line in it."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.suite = folder / "tiny.toml"
        self.suite.write_text(SUITE)
        self._env = {**os.environ, "HARNESS_HOME": str(folder), "COLUMNS": "150", "MOUNT_S3": "/nowhere"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.Popen(
            command,
            env=self._env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def call(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        child = self.start(*arguments)
        out, err = child.communicate(timeout=100)
        assert child.returncode == code, err
        return out, err

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        return self.call("run", str(self.suite), "--loader", "pillow", *arguments, code=code)

    def runs(self) -> list[Path]:
        return sorted(path.parent for path in self.home.runs.glob("*/run.json"))

    def left(self) -> list[str]:
        """What a run has left behind: mounts and records of them."""
        mounts = [str(point) for point, _ in mount_points() if point.is_relative_to(self.home.folder)]
        return mounts + [str(path) for path in self.home.runs.glob(f"**/{NAME}")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of datasets that all benches here use."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def bench(tmp_path: Path, data: Path) -> Bench:
    (tmp_path / ".cache").symlink_to(data)
    return Bench(tmp_path)


def read_until(child: subprocess.Popen[str], text: str) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if text in line:
            return
    raise AssertionError(f"the run never said {text!r}")


def samples(frame: pd.DataFrame, system: str, state: str, name: str) -> list[float]:
    chosen = (frame["system"] == system) & (frame["state"] == state) & (frame["sample"] == name)
    return [float(value) for value in frame[chosen]["value"]]


def test_a_run_measures_both_epochs_verifies_bytes_and_prints_a_table(bench: Bench) -> None:
    out, err = bench.run("--rounds", "1", "--config", "mountpoint")

    (folder,) = bench.runs()
    (result,) = [json.loads(path.read_text()) for path in folder.glob("tmpfs_*.json")]
    validate(result)
    epochs = result["trials"][0]["epochs"]
    assert [epoch["state"] for epoch in epochs] == ["cold", "warm"]
    assert all(epoch["verdict"] == {"ok": True, "checked": 40, "wrong": 0} for epoch in epochs)
    assert {"mount_s", "listing_s", "first_batch_s", "epoch_s", "total_s", "files"} <= epochs[0][
        "samples"
    ].keys()
    assert result["status"] == "ok"
    assert (folder / "notebooks" / f"{result['id']}-r1.ipynb").exists()
    assert "tmpfs" in out
    assert "Pillow pipeline" in err
    assert bench.left() == []
    frame = load_results("tiny", bench.home, "last")
    assert samples(frame, "tmpfs", "warm", "files") == [40.0]

    (missing,) = [json.loads(path.read_text()) for path in folder.glob("mountpoint_*.json")]
    assert (missing["status"], missing["trials"]) == ("not_installed", [])
    assert "mount-s3" in missing["reason"]

    shown, _ = bench.call("show", "--suite", "tiny", "--run", "last", "--json")
    rows = json.loads(shown)  # JSON alone
    assert [(row["system"], row["state"], row["n"], row["ratio_to_tmpfs"]) for row in rows] == [
        ("mountpoint", "-", 0, None),
        ("tmpfs", "cold", 1, 1.0),
        ("tmpfs", "warm", 1, 1.0),
    ]

    bench.call("publish", "last")
    published = list((bench.home.results / "tiny" / result["machine_id"]).glob("*.json"))
    assert sorted(path.name for path in published) == sorted(
        [f"{missing['id']}.json", f"{result['id']}.json"]
    )
    assert not any(str(bench.home.folder) in path.read_text() for path in published)


def test_a_killed_run_goes_on_with_the_round_that_was_cut_short(bench: Bench) -> None:
    child = bench.start("run", str(bench.suite), "--loader", "pillow")
    read_until(child, "round 2 ")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate(timeout=30)
    (folder,) = bench.runs()
    first = folder / "units" / "random-raw-r1.json"
    before = (first.stat().st_ino, first.read_bytes())
    assert not (folder / "units" / "random-raw-r2.json").exists()

    _, err = bench.run("--resume", folder.name)

    assert "round 1 " not in err
    assert (first.stat().st_ino, first.read_bytes()) == before
    (result,) = [json.loads(path.read_text()) for path in folder.glob("tmpfs_*.json")]
    assert [(trial["run_id"], trial["round"]) for trial in result["trials"]] == [
        (folder.name, 1),
        (folder.name, 2),
    ]
    assert bench.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_child_and_no_mount(bench: Bench, number: signal.Signals) -> None:
    child = bench.start("run", str(bench.suite), "--loader", "pillow", "--rounds", "1")
    read_until(child, "round 1 ")

    os.kill(child.pid, number)
    _, err = child.communicate(timeout=60)

    assert child.returncode == 130
    assert f"--resume {bench.runs()[0].name}" in err
    assert bench.left() == []


def test_a_trial_that_fails_is_a_result_with_its_reason(bench: Bench, data: Path) -> None:
    broken = bench.home.folder / "images"
    shutil.copytree(next(path for path in (data / "datasets").iterdir() if path.is_dir()), broken)
    next(broken.rglob("*.jpg")).write_bytes(b"")

    out, err = bench.run("--rounds", "1", "--mode", "decode", "--data", str(broken), "--scale", "1", code=1)

    (folder,) = bench.runs()
    (result,) = [json.loads(path.read_text()) for path in folder.glob("tmpfs_*.json")]
    assert (result["status"], result["label"], result["trials"]) == ("failed", "INVALID", [])
    assert "cannot identify image file" in result["reason"]
    assert err.splitlines()[-1].startswith("harness: 1 of 1 cases failed")
    assert "Traceback" not in out + err


def test_a_dry_run_touches_nothing(bench: Bench) -> None:
    before = sorted(bench.home.folder.rglob("*"))

    out, _ = bench.run("--dry-run")

    assert "2 trials" in out
    assert sorted(bench.home.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "fuse", "--config", "typo"), "unknown config 'typo'"),
        (("run", "nothing"), "no suite 'nothing'"),
        (("run", "fuse", "--resume", "never"), "no run 'never'"),
        (("run", "fuse", "--s3", "moto"), "unknown S3 'moto'"),
        (("publish", "never"), "no run 'never'"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_2(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])

    with pytest.raises(SystemExit) as ended:
        main()

    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fuse
@pytest.mark.s3
def test_pond_runs_beside_tmpfs_cold_with_requests_and_warm_without(bench: Bench) -> None:
    bench.run("--rounds", "1", "--config", "19GiB", "--profile", "none")

    frame = load_results("tiny", bench.home, "last")
    assert set(frame["system"]) == {"pond", "tmpfs"}
    assert set(frame["verdict"]) == {"ok"}
    assert samples(frame, "pond", "cold", "s3.get")[0] > 0
    assert samples(frame, "pond", "warm", "s3.get") == [0.0]
    assert samples(frame, "pond", "warm", "page_cache_bytes") == [0.0]
    needed = float(frame["bytes_needed"].iloc[0])
    assert samples(frame, "pond", "cold", "s3.bytes")[0] >= needed
    (result,) = [json.loads(path.read_text()) for path in bench.runs()[0].glob("pond_*.json")]
    proofs = result["trials"][0]["epochs"][0]["cache_state"]
    assert {"page_cache", "dentries", "system_memory", "system_disk", "server"} == proofs.keys()
    assert bench.left() == []
