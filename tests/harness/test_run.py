"""Whole runs, tiny: real processes, papermill, mounts; Pillow and raw mode, so that they take seconds."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from harness.cli import main
from harness.results import load_results, validate
from tests.harness.bench import SUITE, Bench, read_until


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of datasets that all benches here use."""
    return tmp_path_factory.mktemp("cache")


def home_with(folder: Path, data: Path) -> Bench:
    folder.mkdir(exist_ok=True)
    (folder / ".cache").symlink_to(data)
    return Bench(folder)


@pytest.fixture
def bench(tmp_path: Path, data: Path) -> Bench:
    return home_with(tmp_path, data)


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
    frame = load_results("small", bench.home, "last")
    assert samples(frame, "tmpfs", "warm", "files") == [40.0]

    (missing,) = [json.loads(path.read_text()) for path in folder.glob("mountpoint_*.json")]
    assert (missing["status"], missing["trials"]) == ("not_installed", [])
    assert "mount-s3" in missing["reason"]

    shown, _ = bench.call("show", "--suite", "small", "--run", "last", "--json")
    rows = json.loads(shown)  # JSON alone
    assert [(row["system"], row["state"], row["n"], row["ratio_to_tmpfs"]) for row in rows] == [
        ("mountpoint", "-", 0, None),
        ("tmpfs", "cold", 1, 1.0),
        ("tmpfs", "warm", 1, 1.0),
    ]

    bench.call("publish", "last")
    published = list((bench.home.results / "small" / result["machine_id"]).glob("*.json"))
    assert sorted(path.name for path in published) == sorted(
        [f"{missing['id']}.json", f"{result['id']}.json"]
    )
    assert not any(str(bench.home.folder) in path.read_text() for path in published)


def test_a_killed_run_goes_on_with_the_round_that_was_cut_short(bench: Bench) -> None:
    with bench.running() as child:
        read_until(child, "round 2 ")
        child.kill()
        child.communicate(timeout=30)
    (folder,) = bench.runs()
    first = folder / "units" / "random-raw-b8-w2-r1.json"
    before = (first.stat().st_ino, first.read_bytes())
    assert not (folder / "units" / "random-raw-b8-w2-r2.json").exists()

    _, err = bench.run("--resume", folder.name)

    assert "round 1 " not in err
    assert (first.stat().st_ino, first.read_bytes()) == before
    (result,) = [json.loads(path.read_text()) for path in folder.glob("tmpfs_*.json")]
    assert [(trial["run_id"], trial["round"]) for trial in result["trials"]] == [
        (folder.name, 1),
        (folder.name, 2),
    ]
    assert bench.left() == []


def test_any_run_clears_what_a_killed_one_has_left(bench: Bench) -> None:
    with bench.running("--run-id", "killed") as child:
        read_until(child, "round 1 ")
        deadline = time.monotonic() + 60
        while not list(bench.home.runs.glob("killed/work/*/trial/leftovers.jsonl")):
            assert time.monotonic() < deadline, "the trial never mounted anything"
            time.sleep(0.005)
        child.kill()
        child.communicate(timeout=30)
    assert bench.left() != []

    bench.run("--rounds", "1", "--fresh")

    assert bench.left() == []
    assert not (bench.home.runs / "killed" / "work").exists()
    bench.run("--resume", "killed")
    assert [number for _, number in bench.trials(bench.home.runs / "killed")] == [1, 2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_child_and_no_mount(bench: Bench, number: signal.Signals) -> None:
    with bench.running("--rounds", "1") as child:
        read_until(child, "round 1 ")

        child.send_signal(number)
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


def test_a_stopped_run_goes_on_by_itself_unless_told_otherwise(bench: Bench) -> None:
    with bench.running() as child:
        read_until(child, "round 2 ")
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    (stopped,) = bench.runs()

    _, err = bench.run()

    assert f"going on with run {stopped.name}" in err
    assert bench.runs() == [stopped]
    _, err = bench.run("--rounds", "1")
    assert "going on" not in err
    assert len(bench.runs()) == 2


def test_a_run_with_a_name_goes_on_only_by_its_name(bench: Bench) -> None:
    with bench.running("--run-id", "mine") as child:
        read_until(child, "round 2 ")
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)

    _, err = bench.run("--rounds", "2")

    assert "going on" not in err
    assert len(bench.runs()) == 2


def test_a_run_may_be_given_more_rounds(bench: Bench) -> None:
    bench.run("--rounds", "1")
    (folder,) = bench.runs()

    bench.run("--resume", "last", "--rounds", "3")

    (result,) = bench.results(folder, "tmpfs_*.json")
    assert [trial["round"] for trial in result["trials"]] == [1, 2, 3]
    assert result["params"]["rounds"] == 3
    compared = [trial["epochs"][0]["verdict"]["checked"] for trial in result["trials"]]
    assert compared == [40, 0, 0]  # once, and not again where the run goes on


def test_shards_hold_disjoint_units_and_are_gathered_into_one_run(bench: Bench, tmp_path: Path) -> None:
    one, other = (home_with(tmp_path / name, (bench.home.folder / ".cache").resolve()) for name in "ab")
    for number, part in enumerate((one, other), 1):
        part.run("--rounds", "3", "--run-id", "both", "--shard", f"{number}/2")
    assert [round_ for _, round_ in one.trials(one.home.runs / "both")] == [1, 3]
    assert [round_ for _, round_ in other.trials(other.home.runs / "both")] == [2]

    out, _ = bench.call("gather", "both", *(str(part.home.runs / "both") for part in (one, other)))

    assert "3 of 3" in out
    (result,) = bench.results(bench.home.runs / "both", "tmpfs_*.json")
    assert [(trial["run_id"], trial["round"]) for trial in result["trials"]] == [
        ("both", 1),
        ("both", 2),
        ("both", 3),
    ]
    again, _ = bench.call("gather", "both", str(one.home.runs / "both"))
    assert again.startswith("0 units")
    unit = next((one.home.runs / "both" / "units").glob("*-r1.json"))
    unit.write_text(unit.read_text().replace('"noisy": false', '"noisy": true'))
    _, err = bench.call("gather", "both", str(one.home.runs / "both"), code=2)
    assert "measured twice" in err


def test_a_run_that_goes_on_elsewhere_is_left_alone(bench: Bench) -> None:
    with bench.running("--run-id", "mine") as child:
        read_until(child, "round 1 ")

        _, err = bench.run("--run-id", "mine", code=2)

        assert "going on in another process" in err
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    assert bench.left() == []


def test_a_trial_joins_its_control_group_and_says_what_it_used(bench: Bench) -> None:
    bench.suite.write_text(SUITE + 'memory_limit = "512MiB"\n')

    bench.run("--rounds", "1")

    (unit,) = [json.loads(path.read_text()) for path in bench.runs()[0].glob("units/*.json")]
    (outcome,) = unit["outcomes"]
    assert outcome["overhead_s"] > 0
    group = outcome["cgroup"]
    if group is None:
        pytest.skip("root is needed: this machine permits no control group")
    assert group["memory_peak_bytes"] > 1 << 20
    assert group["memory_limit_bytes"] >= 512 << 20
    assert bench.left() == []


@pytest.mark.root
def test_a_trial_over_its_memory_limit_fails_with_that_reason(bench: Bench) -> None:
    bench.suite.write_text(SUITE + 'memory_limit = "8MiB"\n')

    bench.run("--rounds", "1", code=1)

    (result,) = bench.results(bench.runs()[0], "tmpfs_*.json")
    if "memory" not in result["reason"]:
        pytest.skip("root is needed: this machine permits no memory limit")
    assert "out of memory at the limit of" in result["reason"]
    assert bench.left() == []


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
        (("run", "fuse", "--profile", "typo"), "unknown network 'typo'"),
        (("run", "fuse", "--only", "typo"), "no case is called 'typo'"),
        (("run", "fuse", "--only", ","), "--only names nothing"),
        (("run", "fuse", "--shard", "1/2"), "needs --run-id"),
        (("run", "fuse", "--shard", "3/2", "--run-id", "x"), "'3/2' is not i/n"),
        (("run", "fuse", "--run-id", "../x"), "no name for a run"),
        (("run", "fuse", "--jobs", "pbs"), "--jobs 'pbs'"),
        (("run", "fuse", "--resume", "a", "--fresh"), "exclude each other"),
        (("gather", "mine", "/nowhere"), "holds no run"),
        (("doctor", "--suite", "nothing"), "no suite 'nothing'"),
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

    frame = load_results("small", bench.home, "last")
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
