"""From mounting to unmounting: who may, where, and what is left afterwards."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.s3 import Fault, SimProcess
from pond import mount as mounting
from pond.errors import InvalidArgument, MountError
from pond.mount import MountOptions, check_fuse, check_mountpoint
from pond.volume import Volume, create_version
from tests.pond.mounts import is_mounted, mounted, pond, wait_until
from tests.pond.outcome import Outcome

NOBODY = 65534


def processes_of(mountpoint: Path) -> list[int]:
    """The processes that serve a mountpoint, by their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"mount" in arguments and os.fsencode(mountpoint) in arguments:
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def mountpoint(tmp_path: Path) -> Iterator[Path]:
    """A folder that is no mountpoint when the test is over."""
    path = tmp_path / "mnt"
    path.mkdir()
    yield path
    if is_mounted(path):
        subprocess.run(["fusermount3", "-u", "-z", path], check=False)


# --- an end in every way -----------------------------------------------------------------------------


@pytest.mark.fuse
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGHUP", "fusermount3", "pond umount"])
def test_an_unmount_leaves_no_mount_and_no_process(
    packed: Volume, mountpoint: Path, how: str, engine: str
) -> None:
    with mounted(packed.url, mountpoint, engine) as running:
        assert (mountpoint / "a.txt").read_bytes() == b"alpha\n"
        if how.startswith("SIG"):
            running.process.send_signal(getattr(signal, how))
        elif how == "fusermount3":
            subprocess.run(["fusermount3", "-u", mountpoint], check=True)
        else:
            assert pond("umount", str(mountpoint)).returncode == 0
        assert running.process.wait(30) == 0
        assert not is_mounted(mountpoint)
        assert processes_of(mountpoint) == []
        assert list(mountpoint.iterdir()) == []


@pytest.mark.fuse
@pytest.mark.s3
@pytest.mark.parametrize("prefetch", ["auto", "blind"])
def test_ctrl_c_ends_a_mount_whose_store_does_not_answer(
    sim: SimProcess, s3_url: str, tree: Path, mountpoint: Path, engine: str, prefetch: str
) -> None:
    create_version(Volume.open(s3_url), tree, "v1")
    with (
        mounted(s3_url, mountpoint, engine, "--prefetch", prefetch, env=sim.env) as running,
        ThreadPoolExecutor(1) as pool,
    ):
        sim.set_faults([Fault("stall", key="*packs/*")])
        reader = pool.submit((mountpoint / "a.txt").read_bytes)
        wait_until(lambda: sim.fault_hits()[0] > 0, "a GET stalls")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 0
        assert not is_mounted(mountpoint)
        assert isinstance(reader.exception(30), OSError)


@pytest.mark.fuse
def test_what_was_mounted_since_is_not_undone(
    packed: Volume, mountpoint: Path, tree: Path, tmp_path: Path
) -> None:
    other = Volume.open(str(tmp_path / "other"))
    create_version(other, tree, "v2")
    with mounted(packed.url, mountpoint) as first:
        with (mountpoint / "a.txt").open("rb") as held:
            subprocess.run(["fusermount3", "-u", "-z", mountpoint], check=True)
            with mounted(other.url, mountpoint) as second:
                held.close()
                assert first.process.wait(30) == 0
                assert (mountpoint / ".version").read_text() == "v2\n"
                assert second.process.poll() is None
        assert not is_mounted(mountpoint)


_SECOND_SIGNAL = """
import os, signal, sys, threading
from pathlib import Path
from pond.cache import Fetcher
from pond.mount import MountOptions, mount_foreground

close = Fetcher.close
def closing(self):
    if threading.current_thread() is threading.main_thread():
        os.kill(os.getpid(), signal.SIGHUP)
    close(self)
Fetcher.close = closing
ready = lambda _: os.kill(os.getpid(), signal.SIGHUP)
mount_foreground(sys.argv[1], Path(sys.argv[2]), MountOptions(), ready)
"""


@pytest.mark.fuse
def test_a_second_signal_does_not_keep_the_mount_from_being_undone(packed: Volume, mountpoint: Path) -> None:
    command = [sys.executable, "-c", _SECOND_SIGNAL, packed.url, str(mountpoint)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert not is_mounted(mountpoint)


@pytest.mark.fuse
def test_a_mount_goes_on_when_nobody_reads_what_it_says(packed: Volume, mountpoint: Path) -> None:
    command = [sys.executable, "-m", "pond", "mount", packed.url, str(mountpoint), "--foreground", "--debug"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
        wait_until(lambda: is_mounted(mountpoint), "mounted")
        process.send_signal(signal.SIGTERM)  # which is logged
        assert process.wait(30) == 0
        assert not is_mounted(mountpoint)
    finally:
        process.kill()


@pytest.mark.fuse
def test_a_mountpoint_is_known_by_a_symbolic_link_too(
    packed: Volume, mountpoint: Path, tmp_path: Path, cli: Callable[..., Outcome]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    through = tmp_path / "link" / "mnt"
    with mounted(packed.url, through) as running:
        assert cli("stats", through, "--json").status == 0
        assert cli("umount", through).status == 0
        assert running.process.wait(30) == 0
    assert not is_mounted(mountpoint)


@pytest.mark.fuse
def test_a_mount_in_use_is_not_undone_and_the_line_says_why(
    packed: Volume, mountpoint: Path, cli: Callable[..., Outcome]
) -> None:
    with mounted(packed.url, mountpoint):
        with (mountpoint / "a.txt").open("rb"):
            refused = cli("umount", mountpoint)
        assert refused.status == 1
        assert "busy" in refused.err
        assert "fuser -m" in refused.err
        assert refused.err.count("\n") == 1
        assert is_mounted(mountpoint)
        assert cli("umount", mountpoint).status == 0
        assert not is_mounted(mountpoint)


# --- behind ------------------------------------------------------------------------------------------


@pytest.mark.fuse
def test_a_mount_in_the_background_returns_when_it_is_there(
    packed: Volume, mountpoint: Path, tmp_path: Path
) -> None:
    for name in (
        "random.py",
        "pond.py",
        "trio.py",
    ):  # the folder it is started from is not searched for modules
        (tmp_path / name).write_text("raise SystemExit('imported from the working folder')")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("pond")), "mount", packed.url, "mnt", "--log-file", "log"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == f"mounted {packed.url}@v1 at {mountpoint}\n"
    assert (mountpoint / "a.txt").read_bytes() == b"alpha\n"
    assert (tmp_path / "log").exists()
    (process,) = processes_of(mountpoint) or processes_of(Path("mnt"))
    assert pond("umount", str(mountpoint)).returncode == 0
    assert not is_mounted(mountpoint)
    wait_until(lambda: not Path(f"/proc/{process}").exists(), "the process has ended")


@pytest.mark.fuse
def test_what_goes_wrong_behind_is_said_in_front(packed: Volume, mountpoint: Path) -> None:
    done = pond("mount", f"{packed.url}@none", str(mountpoint))
    assert done.returncode == 1
    assert (
        done.stderr == f"pond: {packed.url}: no version 'none'; see them with: pond versions {packed.url}\n"
    )
    assert not is_mounted(mountpoint)
    wait_until(lambda: processes_of(mountpoint) == [], "the process has ended")


@pytest.mark.fuse
@pytest.mark.s3
def test_ctrl_c_while_it_is_being_mounted_behind_leaves_nothing(
    sim: SimProcess, s3_url: str, tree: Path, mountpoint: Path
) -> None:
    create_version(Volume.open(s3_url), tree, "v1")
    sim.set_faults([Fault("stall", key="*versions/*", operation="get", count=1, stall_s=3600)])
    command = [sys.executable, "-m", "pond", "mount", s3_url, str(mountpoint)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | sim.env)
    wait_until(lambda: sim.fault_hits() == [1], "the manifest is being read")
    assert len(processes_of(mountpoint)) == 2
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in said
    assert processes_of(mountpoint) == []
    assert not is_mounted(mountpoint)


@pytest.mark.fuse
def test_a_mistake_is_status_2_behind_as_in_front(packed: Volume, tree: Path) -> None:
    done = pond("mount", packed.url, str(tree / "a.txt"))
    assert done.returncode == 2
    assert "not a folder" in done.stderr


# --- where -------------------------------------------------------------------------------------------


@pytest.mark.fuse
def test_a_mountpoint_in_use_is_refused_and_left_alone(
    packed: Volume, mountpoint: Path, cli: Callable[..., Outcome]
) -> None:
    with mounted(packed.url, mountpoint):
        refused = cli("mount", packed.url, mountpoint, "--foreground")
        assert (refused.status, refused.err.count("\n")) == (1, 1)
        assert "something is mounted here already" in refused.err
        assert (mountpoint / "a.txt").read_bytes() == b"alpha\n"


@pytest.mark.fuse
def test_a_dead_mount_is_refused_with_how_to_remove_it(
    packed: Volume, mountpoint: Path, cli: Callable[..., Outcome], engine: str
) -> None:
    with mounted(packed.url, mountpoint, engine) as running:
        running.process.kill()
        running.process.wait(30)
        refused = cli("mount", packed.url, mountpoint, "--foreground")
        assert (refused.status, refused.err.count("\n")) == (1, 1)
        assert f"a dead mount is in the way; remove it with: pond umount {mountpoint}" in refused.err
        dead = cli("stats", mountpoint)
        assert (dead.status, dead.err.count("\n")) == (1, 1)
        assert cli("umount", mountpoint).status == 0
        assert not is_mounted(mountpoint)


@pytest.mark.fuse
def test_odd_mountpoints_and_addresses_are_taken(tmp_path: Path, tree: Path, engine: str) -> None:
    volume = Volume.open(str(tmp_path / "a volume, with = and \\ 50%25"))
    create_version(volume, tree, "v 1, é=☃")
    mountpoint = tmp_path / "mount point\\ é ☃"
    with mounted(f"{volume.store.url}@v 1, é=☃", mountpoint, engine) as running:
        assert (running.path / ".version").read_text() == "v 1, é=☃\n"
        assert running.stats()["reads"] == 0
        assert mounting.mounted_pond(mountpoint)


# --- who ---------------------------------------------------------------------------------------------


class Machine:
    """What `check_fuse` looks at, as it would be on another machine."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.user(1000)
        self.device(None)
        patch.setattr(Path, "exists", lambda _path: True)
        patch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        self.fuse_conf("# user_allow_other", "")

    def user(self, number: int) -> None:
        self._patch.setattr(os, "geteuid", lambda: number)

    def device(self, error: OSError | None) -> None:
        def open_device(*_: object) -> int:
            if error is not None:
                raise error
            return -1

        self._patch.setattr(os, "open", open_device)
        self._patch.setattr(os, "close", lambda _descriptor: None)

    def fuse_conf(self, *lines: str) -> None:
        self._patch.setattr(mounting, "_fuse_conf", lambda: list(lines))


@pytest.fixture
def machine() -> Iterator[Machine]:
    with pytest.MonkeyPatch.context() as patch:
        yield Machine(patch)


def refusal(*, allow_other: bool = False) -> str:
    """What `check_fuse` says."""
    try:
        check_fuse(allow_other=allow_other)
    except MountError as error:
        return str(error)
    return ""


def test_letting_others_in_needs_permission_but_for_root(machine: Machine) -> None:
    assert refusal(allow_other=False) == ""
    said = "--allow-other needs the line user_allow_other in /etc/fuse.conf (or root)"
    assert refusal(allow_other=True) == said
    machine.fuse_conf("user_allow_other")
    assert refusal(allow_other=True) == ""
    machine.fuse_conf()
    machine.user(0)
    assert refusal(allow_other=True) == ""


def test_a_machine_without_fuse_is_told_what_to_do(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    assert refusal() == "/dev/fuse is missing: load the kernel module with: modprobe fuse"


def test_a_machine_without_fusermount3_is_told_what_to_do(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert refusal() == "fusermount3 is missing: install it with: apt-get install fuse3"
    machine.user(0)
    assert refusal() == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied; as root: chmod 666 /dev/fuse"),
        (PermissionError(1, "Operation not permitted"), "Operation not permitted"),
    ],
)
@pytest.mark.parametrize("user", [0, 1000])
def test_a_device_that_may_not_be_opened_is_said(
    machine: Machine, error: OSError, said: str, user: int
) -> None:
    machine.user(user)
    machine.device(error)
    assert refusal() == f"/dev/fuse cannot be opened: {said}"


def test_a_folder_of_somebody_else_cannot_be_mounted_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_mountpoint(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(MountError, match="only a folder that you may write to can be mounted over"):
        check_mountpoint(tmp_path)


# --- with what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"chunk_bytes": 4095}, "--chunk-size: at least 4 KiB"),
        ({"cache_bytes": 1000}, "--max-cache-size: at least 1 MiB"),
        ({"readahead_bytes": -1}, "--readahead-size: at least 0 B"),
        ({"kernel_cache_timeout_s": -1.0}, "--kernel-cache-timeout: from 0 to 2147483647 seconds"),
        ({"kernel_cache_timeout_s": math.inf}, "--kernel-cache-timeout: from 0 to 2147483647 seconds"),
        ({"kernel_cache_timeout_s": math.nan}, "--kernel-cache-timeout: from 0 to 2147483647 seconds"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        MountOptions(**options)
    assert str(refused.value) == said
