from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import TrialFailed
from harness.leftovers import NAME, clear_tree
from harness.systems.fuse import _objects
from harness.systems.fuse._objects import folder_bytes
from harness.systems.fuse.mountpoint import LAUNCHER, Mountpoint
from tests.harness.systems.programs import context, program


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any mount-s3."""
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    for name in ("MOUNT_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_a_row_says_which_of_the_two_programs_ran(tmp_path: Path) -> None:
    made = Mountpoint(context(tmp_path, "nocache"))
    assert Mountpoint.how_to_get() is not None

    program(tmp_path / ".cache/peers/bin" / LAUNCHER, f"{LAUNCHER} 0.1.0 (mountpoint-s3-fs 0.11.0)")
    assert Mountpoint.version() == "0.11.0 (mountpoint-s3-fs, our launcher)"
    assert made.argv[0] == LAUNCHER
    launcher = Mountpoint.digest()

    program(tmp_path / "path" / "mount-s3", "mount-s3 1.24.0")
    assert Mountpoint.version() == "1.24.0 (mount-s3)"
    assert made.argv[0] == "mount-s3"
    assert Mountpoint.digest() != launcher


def test_a_mount_s3_that_is_named_and_not_there_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "path" / "mount-s3", "mount-s3 1.24.0")
    monkeypatch.setenv("MOUNT_S3", str(tmp_path / "absent"))
    how = Mountpoint.how_to_get()
    assert how is not None
    assert "MOUNT_S3" in how
    with pytest.raises(TrialFailed, match="mount-s3 is not installed"):
        Mountpoint.version()


def test_without_an_endpoint_it_is_aws_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Mountpoint(context(tmp_path, "nocache"))
    assert "--endpoint-url" not in made.argv
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert made.argv[-3:] == ["--endpoint-url", "ENDPOINT", "--force-path-style"]


def test_a_fresh_cache_folder_is_proved_empty_counted_and_dropped(tmp_path: Path) -> None:
    made = Mountpoint(context(tmp_path, "disk"))
    made.prepare()
    cache = tmp_path / "work" / "cache"
    assert made.reset("disk").reset
    assert made.stats() == {"cache_bytes": 0.0}

    (cache / "block").write_bytes(bytes(3000))
    assert made.stats() == {"cache_bytes": 3000.0}
    proof = made.reset("disk")
    assert (proof.reset, "3000 bytes" in proof.proof) == (False, True)

    made.unmount()
    assert not cache.exists()


def test_a_cache_on_tmpfs_is_written_down_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(_objects, "_SHARED_MEMORY", memory)
    made = Mountpoint(context(tmp_path / "run", "memory"))
    made.prepare()

    (folder,) = memory.iterdir()
    record = tmp_path / "run" / "work" / NAME
    assert [json.loads(line) for line in record.read_text().splitlines()] == [
        {"work": str(record.parent.resolve()), "folder": str(folder)}
    ]
    clear_tree(tmp_path / "run")  # as after a kill
    assert list(memory.iterdir()) == []


def test_a_tmpfs_without_room_for_the_cache_fails_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 10})())
    with pytest.raises(TrialFailed, match="0 MiB free, the cache may need 1"):
        Mountpoint(context(tmp_path, "memory")).prepare()


def test_only_what_is_there_of_a_sparse_file_counts(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "full").write_bytes(bytes(5))
    assert folder_bytes(tmp_path) == 5
    assert folder_bytes(tmp_path / "absent") == 0
