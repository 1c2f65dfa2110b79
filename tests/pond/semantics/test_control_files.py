"""What a mount promises of control files, and who may look."""

from __future__ import annotations

import errno
import re
import subprocess
from pathlib import Path

import pytest

from pond.errors import PondError
from pond.volume import Volume, create_version
from tests.pond.mounts import Mount, mounted
from tests.pond.semantics.promises import (
    MIB,
    errno_of_act,
    promise,
)
from tests.pond.trees import write_tree

# --- control files --------------------------------------------------------------------------------------


@promise(37)
@pytest.mark.fuse
def test_control_files_are_found_and_not_listed(mount: Mount) -> None:
    names = [".version", ".clearcache", ".commit", ".prom", ".prom/pond.prom"]
    assert [(mount.path / name).exists() for name in names] == [True] * 5
    assert [path for path in mount.path.rglob("*") if path.name in (*names, "pond.prom")] == []


@promise(38)
@pytest.mark.fuse
def test_version_holds_the_version_s_name(mount: Mount) -> None:
    assert (mount.path / ".version").read_bytes() == b"v1\n"


@promise(39)
@pytest.mark.fuse
def test_metrics_are_those_of_the_time_of_opening(mount: Mount) -> None:
    with (mount.path / ".prom" / "pond.prom").open("rb") as held:
        (mount.path / "block").read_bytes()
        now = (mount.path / ".prom" / "pond.prom").read_bytes()
        then = held.read()
    assert b"# TYPE pond_bytes_served_total counter" in then
    assert then != now


@promise(40)
@pytest.mark.fuse
def test_clearcache_acts_when_it_is_read_and_cannot_be_written(mount: Mount) -> None:
    (mount.path / "block").read_bytes()
    control = mount.path / ".clearcache"
    assert errno_of_act(lambda: control.write_bytes(b"1")) == errno.EROFS
    assert mount.stats()["cache_bytes"] >= MIB
    assert re.fullmatch(r"cleared \d+ bytes\n", control.read_text())
    assert mount.stats()["cache_bytes"] == 0


@promise(41)
@pytest.mark.fuse
def test_commit_is_for_writable_mounts(mount: Mount) -> None:
    control = mount.path / ".commit"
    assert [errno_of_act(lambda: control.write_bytes(b"v2")), errno_of_act(control.read_bytes)] == [
        errno.EROFS,
        errno.EROFS,
    ]


@promise(42)
@pytest.mark.parametrize("name", [".version", ".clearcache", ".commit", ".prom"])
def test_control_files_names_are_taken_in_the_root_only(
    memory_volume: Volume, tmp_path: Path, name: str
) -> None:
    source = write_tree(tmp_path / "source", {b"deep/" + name.encode(): b"kept"})
    create_version(memory_volume, source, "v1")
    assert memory_volume.version().manifest.resolve(b"deep/" + name.encode()) is not None
    write_tree(source, {name.encode(): b"in the way"})
    with pytest.raises(PondError, match="taken by a control file of the mount; rename it"):
        create_version(memory_volume, source, "v2")


# --- who ------------------------------------------------------------------------------------------------


def as_nobody(path: Path) -> bytes:
    """Return what another user is told who reads a file."""
    done = subprocess.run(
        ["cat", path], user=65534, group=65534, extra_groups=[], cwd="/", capture_output=True, check=False
    )
    return done.stdout or done.stderr.rpartition(b": ")[2]


@promise(43)
@pytest.mark.fuse
@pytest.mark.root
@pytest.mark.parametrize(
    ("options", "told"), [((), b"Permission denied\n"), (("--allow-other",), b"alpha\n")]
)
def test_others_are_let_in_only_when_told(
    volume: Volume, public_folder: Path, options: tuple[str, ...], told: bytes
) -> None:
    with mounted(volume.url, public_folder / "mnt", *options) as running:
        assert as_nobody(running.path / "a.txt") == told


@promise(44)
@pytest.mark.fuse
@pytest.mark.root
def test_others_may_not_clear_the_cache(volume: Volume, public_folder: Path) -> None:
    with mounted(volume.url, public_folder / "mnt", "--allow-other") as running:
        (running.path / "a.txt").read_bytes()
        assert as_nobody(running.path / ".clearcache") == b"Permission denied\n"
        assert running.stats()["cache_bytes"] > 0
