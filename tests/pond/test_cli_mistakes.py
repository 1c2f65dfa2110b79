"""The command line: one clear line for each mistake, and nothing half made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from harness.s3 import Fault, SimProcess
from pond.cli import app
from pond.volume import Volume
from tests.pond.mounts import is_mounted, wait_until
from tests.pond.outcome import Outcome
from tests.pond.trees import write_tree

Cli = Callable[..., Outcome]

COMMANDS = sorted(get_command(app).commands)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["versions", "gs://x/y"], 2, "unknown scheme gs://"),
        (["versions", "s3://"], 2, "an S3 URL looks like s3://bucket/prefix"),
        (["versions", "{volume}@v1"], 2, "name the volume only, without @v1"),
        (["versions", "{none}"], 1, "no such folder"),
        (["log", "{none}"], 1, "no such folder"),
        (["ls", "{none}"], 1, "no such folder"),
        (["ls", "{volume}@none"], 1, "no version 'none'; see them with: pond versions"),
        (["ls", "{volume}@"], 2, "cannot name a version"),
        (["ls", "{volume}", "none"], 1, "no such file or folder: none"),
        (["ls", "{volume}", "a.txt/x"], 1, "no such file or folder: a.txt/x"),
        (["cat", "{volume}", "none"], 1, "no such file or folder: none"),
        (["cat", "{volume}", "deep"], 2, "deep: not a regular file"),
        (["cat", "{volume}", "link"], 2, "link: not a regular file"),
        (["diff", "{volume}", "v1", "none"], 1, "no version 'none'"),
        (["diff", "{volume}@v1", "v1", "v2"], 2, "name the volume only"),
        (["verify", "{volume}@none"], 1, "no version 'none'"),
        (["create", "{none}", "{none}", "v1"], 1, "no such folder"),
        (["create", "{source}", "{volume}", "v1"], 1, "version 'v1' exists already; choose another name"),
        (["create", "{source}", "{none}", "a/b"], 2, "cannot name a version"),
        (
            ["create", "{source}", "/dev/null", "v1"],
            2,
            "file:///dev/null: a file is in the way of its folders",
        ),
        (["create", "{source}", "{source}/deep/v", "v1"], 2, "lies inside the folder to be packed"),
        (["versions", "/dev/null"], 1, "no such folder"),
        (["stats", "{source}"], 1, "no pond is mounted here"),
        (["stats", "{none}"], 1, "no pond is mounted here"),
        (["clear-cache", "{source}"], 1, "no pond is mounted here"),
        (["umount", "{source}"], 1, "no pond is mounted here"),
        (["umount", "/"], 1, "no pond is mounted here"),
        (["mount", "{volume}", "{none}"], 1, "no such mountpoint; make it with: mkdir -p"),
        (["mount", "{volume}", "{source}/a.txt"], 2, "not a folder"),
        (["mount", "{volume}", "/proc"], 1, "something is mounted here already; see it with: findmnt /proc"),
        (["mount", "{volume}@none", "{empty}"], 1, "no version 'none'"),
        (["mount", "{none}", "{empty}"], 1, "no such folder"),
        (["versions", "x" * 300], 1, "no such folder"),
        (["create", "x" * 300, "{none}", "v2"], 1, "no such folder"),
        (["mount", "{volume}", "{empty}", "--kernel-cache-timeout", "inf"], 2, "--kernel-cache-timeout"),
        (["mount", "{volume}", "{empty}", "--chunk-size", "1"], 2, "--chunk-size: at least 4 KiB"),
        (["mount", "{volume}", "{empty}", "--max-cache-size", "1KiB"], 2, "--max-cache-size: at least 1 MiB"),
        (["mount", "{volume}", "{empty}", "--log-file", "{none}/log"], 2, "--log-file"),
    ],
)
@pytest.mark.fuse
def test_a_mistake_gets_one_clear_line(
    cli: Cli, packed: Volume, tree: Path, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    places = {"volume": packed.url, "none": tmp_path / "none", "source": tree, "empty": tmp_path / "empty"}
    (tmp_path / "empty").mkdir()
    filled = [argument.format(**places) for argument in arguments]
    cli(*filled, *(["--foreground"] if filled[0] == "mount" else [])).is_refusal(status, said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]
    assert not is_mounted(tmp_path / "empty")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["typo"], "typo"),
        (["ls"], "URL"),
        (["mount", "a", "b", "--chunk-size", "8 XiB"], "'8 XiB' is not a size; write for example 8MiB"),
        (["mount", "a", "b", "--max-cache-size", "-1"], "'-1' is not a size"),
        (["mount", "a", "b", "--prefetch", "clever"], "auto"),
        (["mount", "a", "b", "--prefetch-connections", "0"], "greater than or equal to 1"),
        (["mount", "a", "b", "--kernel-cache-timeout", "long"], "should be a valid number"),
        (["create", "a", "b"], "VERSION"),
        (["versions", "a", "--jason"], "--jason"),
    ],
)
def test_bad_usage_is_status_2_and_says_what_is_wrong(cli: Cli, arguments: list[str], said: str) -> None:
    outcome = cli(*arguments)
    assert (outcome.status, outcome.out) == (2, b"")
    assert said in " ".join(outcome.err.replace("│", " ").split())
    assert "Traceback" not in outcome.err


@pytest.mark.fuse
@pytest.mark.parametrize("position", [0, 9, 40, 500])
def test_a_corrupted_manifest_is_named_and_nothing_is_mounted(
    cli: Cli, two: str, tmp_path: Path, position: int
) -> None:
    manifest = tmp_path / "volume" / "versions" / "v1.manifest"
    data = bytearray(manifest.read_bytes())
    data[position] ^= 0xFF
    manifest.write_bytes(data)
    (tmp_path / "empty").mkdir()
    for arguments in (["ls", f"{two}@v1"], ["mount", f"{two}@v1", tmp_path / "empty", "--foreground"]):
        cli(*arguments).is_refusal(1, f"{two}@v1: ")
    assert not is_mounted(tmp_path / "empty")
    assert cli("ls", f"{two}@v2").status == 0


def test_a_volume_of_the_published_pond_is_refused(cli: Cli, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "v1.volume").write_bytes(b"x")
    for arguments in (["versions", tmp_path], ["ls", f"{tmp_path}@v1"], ["create", tree, tmp_path, "v2"]):
        cli(*arguments).is_refusal(1, "a volume of the published Pond")
    assert [path.name for path in tmp_path.iterdir()] == ["v1.volume"]


@pytest.mark.root
def test_too_little_disk_is_said_and_leaves_nothing(cli: Cli, tree: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    try:
        cli("create", tree, disk / "volume", "v1").is_refusal(1, "No space left on device; free some space")
        assert [path for path in disk.rglob("*") if path.is_file()] == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_message_that_is_no_text_is_refused(cli: Cli, tree: Path, tmp_path: Path) -> None:
    cli("create", tree, tmp_path / "v", "v1", "-m", "\udcff").is_refusal(2, "message", "not text")
    assert not (tmp_path / "v").exists()


def test_a_volume_inside_the_folder_to_be_packed_is_refused(cli: Cli, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"x"})
    for volume in (source, source / "deep" / "volume"):
        cli("create", source, volume, "v1").is_refusal(2, "lies inside the folder to be packed")
    assert [path.name for path in source.iterdir()] == ["a"]


def test_a_file_that_vanishes_before_it_is_packed_is_not_a_traceback(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"x", b"b": b"y"})
    real = os.lstat

    def lstat(path: str) -> os.stat_result:
        (source / "b").unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr("pond.cli._volumes.os.lstat", lstat)
    assert cli("create", source, tmp_path / "volume", "v1").out == b"v1: 1 files, 1 B\n"


# --- S3 ----------------------------------------------------------------------------------------------


@pytest.mark.s3
def test_a_bucket_that_is_not_there_is_said(cli: Cli, sim: SimProcess, tree: Path, tmp_path: Path) -> None:
    url = "s3://no-such-bucket/prefix"
    for arguments in (
        ["versions", url],
        ["ls", url],
        ["ls", f"{url}@v1"],
        ["create", tree, url, "v1"],
        ["mount", url, tmp_path, "--foreground"],
    ):
        cli(*arguments).is_refusal(1, f"{url}: no such bucket")


@pytest.mark.s3
def test_wrong_credentials_are_said(
    cli: Cli, s3_url: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for arguments in (["versions", s3_url], ["ls", f"{s3_url}@v1"], ["create", tree, s3_url, "v1"]):
        cli(*arguments).is_refusal(1, "access denied; check the AWS credentials and the bucket's policy")


@pytest.mark.s3
def test_a_server_that_does_not_answer_is_said(
    cli: Cli, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pond.store._object.time.sleep", lambda _s: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    cli("ls", f"{s3_url}@v1").is_refusal(1, f"{s3_url}/versions/v1.manifest: ")


@pytest.mark.s3
@pytest.mark.parametrize("kind", ["reset", "500", "503", "short"])
def test_a_server_with_hiccups_is_only_slower(
    cli: Cli, sim: SimProcess, s3_url: str, tree: Path, kind: str
) -> None:
    assert cli("create", tree, s3_url, "v1").status == 0
    sim.set_faults([Fault(kind, operation="get", key="*.*", count=2)])
    assert cli("cat", s3_url, "a.txt").out == b"alpha\n"
    assert sim.fault_hits() == [2]


# --- being interrupted -------------------------------------------------------------------------------


@pytest.mark.s3
@pytest.mark.parametrize(("number", "stall_s"), [(signal.SIGINT, 3600.0), (signal.SIGTERM, 1.0)])
def test_an_interrupted_create_ends_soon_and_leaves_no_object(
    sim: SimProcess, s3_url: str, tree: Path, number: signal.Signals, stall_s: float
) -> None:
    sim.set_faults([Fault("stall", operation="put", key="*packs/*", stall_s=stall_s, count=1)])
    process = subprocess.Popen(
        [sys.executable, "-m", "pond", "create", str(tree), s3_url, "v1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: sim.fault_hits()[0] > 0, "it is being packed")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode not in (0, -signal.SIGKILL)
    assert (out, "Traceback" in err) == ("", False)
    assert list(Volume.open(s3_url).store.list("")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_create_leaves_no_file(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tree(tmp_path / "source", {b"%05d" % i: b"x" * 50_000 for i in range(2000)})
    process = subprocess.Popen(
        [sys.executable, "-m", "pond", "create", str(source), str(tmp_path / "volume"), "v1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    packs = tmp_path / "volume" / "packs"
    wait_until(lambda: packs.is_dir() and any(packs.iterdir()), "it is being packed")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert (out, "Traceback" in err) == ("", False)
    assert [path for path in (tmp_path / "volume").rglob("*") if path.is_file()] == []


def test_a_reader_that_goes_away_is_no_error(packed: Volume) -> None:
    command = f"{sys.executable} -m pond cat {packed.url} three-blocks-and-five | head -c 5"
    done = subprocess.run(command, shell=True, capture_output=True, check=False, timeout=30)
    assert (len(done.stdout), done.stderr) == (5, b"")
