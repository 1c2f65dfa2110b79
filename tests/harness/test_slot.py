"""Who begins to measure clears what killed runs have left, and touches nothing of those that are alive."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.home import Home
from harness.leftovers import note_folder, note_mount, note_process
from harness.procfs import is_mounted
from harness.runs import RunFolder, try_lock
from harness.slot import Slot, hold_slot
from tests.harness.bench import waiting


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    return Home(tmp_path)


def killed_run(folder: Path) -> RunFolder:
    """Return a run whose process is gone: its lock is free."""
    run = RunFolder(folder)
    with run.held():
        run.prepare()
    return run


class Left:
    """What a trial leaves when nobody clears up after it: its process, its work, a folder elsewhere."""

    def __init__(self, run: RunFolder, elsewhere: Path, child: subprocess.Popen[bytes]) -> None:
        self.run = run
        self.work = run.work / "tmpfs-0a1b2c"
        self.elsewhere = elsewhere / f"pond-bench-{os.urandom(4).hex()}"
        self._child = child
        self.work.mkdir(parents=True)
        self.elsewhere.mkdir()
        note_process(self.work, child.pid)
        note_folder(self.work, self.elsewhere)

    def there(self) -> tuple[bool, bool, bool]:
        return self._child.poll() is None, self.work.exists(), self.elsewhere.exists()

    def end(self) -> None:
        self._child.communicate(b"", timeout=10)


ALL = (True, True, True)
NOTHING = (False, False, False)


@contextmanager
def left_by(run: RunFolder, elsewhere: Path) -> Iterator[Left]:
    with waiting() as child:
        left = Left(run, elsewhere, child)
        try:
            yield left
        finally:
            left.end()


def begin(home: Home, slot: Slot = Slot()) -> None:  # noqa: B008  (frozen)
    """Begin to measure, and end at once."""
    with hold_slot(slot, home, lambda text: None):
        pass


@pytest.mark.parametrize(
    "place", ["results/local/killed", ".cache/unit", ".cache/unit-3", ".cache/overhead-x/run"]
)
def test_what_a_killed_run_has_left_is_cleared_by_the_next_one(
    home: Home, place: str, tmp_path: Path
) -> None:
    run = killed_run(home.folder / place)
    with left_by(run, tmp_path) as left:
        assert left.there() == ALL

        begin(home)

        assert left.there() == NOTHING
    assert not run.work.exists()
    assert run.folder.exists() == (
        not run.folder.name.startswith("unit")
    )  # a unit's place is nobody's result


def test_a_run_that_goes_on_is_left_alone(home: Home, tmp_path: Path) -> None:
    run = RunFolder(home.runs / "alive")
    with run.held(), left_by(run, tmp_path) as left:
        begin(home)

        assert left.there() == ALL


def test_a_run_that_mounts_nothing_has_no_lock_and_is_left_alone(home: Home) -> None:
    run = RunFolder(home.runs / "pod-micro-run")
    run.prepare()
    (run.work / "lists-pod").mkdir()

    begin(home)

    assert (run.work / "lists-pod").exists()


def test_a_copy_of_a_run_that_goes_on_takes_nothing_from_it(home: Home, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "another clone" / "alive")
    with run.held(), left_by(run, tmp_path) as left:
        shutil.copytree(run.folder, home.runs / "copy")

        begin(home)

        assert left.there() == ALL
    assert not (home.runs / "copy" / "work").exists()


def test_beside_neighbours_a_unit_that_is_measured_is_left_alone(home: Home, tmp_path: Path) -> None:
    neighbour, gone, own = (killed_run(Slot(number, 4).place(home).folder) for number in (1, 3, 0))
    with (
        left_by(neighbour, tmp_path) as measured,
        left_by(gone, tmp_path) as left,
        left_by(own, tmp_path) as before,
        try_lock(home.cache / "measuring-1.lock") as held,
    ):
        assert held

        begin(home, Slot(0, 4))

        assert (measured.there(), left.there(), before.there()) == (ALL, NOTHING, NOTHING)


@pytest.mark.root
def test_only_a_recorded_mount_is_unmounted(home: Home, tmp_path: Path) -> None:
    run = killed_run(home.runs / "killed")
    ours, other = run.work / "tmpfs-0a1b2c" / "trial" / "mount", tmp_path / "other"
    for folder in (ours, other):
        folder.mkdir(parents=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip("root may not mount here")
    try:
        note_mount(ours.parent, ours)

        begin(home)

        assert not is_mounted(ours)
        assert is_mounted(other)
    finally:
        subprocess.run(["umount", "-l", str(other)], check=True)
    assert not run.work.exists()


def test_a_mount_that_nobody_recorded_keeps_its_folder(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = killed_run(home.runs / "killed")
    (run.work / "stranger").mkdir()
    monkeypatch.setattr(
        "harness.leftovers.mount_points", lambda: [(run.work.resolve() / "stranger", "tmpfs")]
    )

    begin(home)

    assert (run.work / "stranger").exists()
