from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.leftovers import clear_tree, note_folder, note_mount, note_process
from harness.procfs import (
    cpu_s,
    cpu_totals,
    descendants,
    is_mounted,
    mount_points,
    peak_rss_bytes,
    start_ticks,
)
from tests.harness.bench import waiting


def test_a_recorded_process_is_ended_and_its_folder_deleted(tmp_path: Path) -> None:
    work, other = tmp_path / "run" / "a", tmp_path / "elsewhere"
    work.mkdir(parents=True)
    other.mkdir()
    with waiting() as child:
        note_process(work, child.pid)
        note_folder(work, other)

        clear_tree(tmp_path / "run")

        assert child.wait(10) != 0
    assert not work.exists()
    assert not other.exists()


def test_another_process_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    work = tmp_path / "a"
    work.mkdir()
    with waiting() as child:
        (work / "leftovers.jsonl").write_text(f'{{"pid": {child.pid}, "start_ticks": 1}}\n{{"pid": 1')

        clear_tree(tmp_path)

        assert child.poll() is None
        child.communicate(b"")
    assert not work.exists()


@pytest.mark.root
def test_a_recorded_mount_is_unmounted_without_looking_into_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "trial" / "with space"
    folder.mkdir(parents=True)
    note_mount(folder.parent, folder)
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("root may not mount here")
    assert is_mounted(folder)
    with waiting() as child:
        note_process(folder, child.pid)

        clear_tree(tmp_path)

        assert child.poll() is None
        child.communicate(b"")
    assert not is_mounted(folder)
    assert not folder.parent.exists()


def test_proc_says_what_the_tests_know_already() -> None:
    me = os.getpid()

    assert cpu_s(me) > 0
    assert (peak_rss_bytes(me) or 0) > 1 << 20
    assert start_ticks(me) is not None
    assert Path("/proc") in {point for point, _ in mount_points()}
    assert cpu_totals(os.sched_getaffinity(0)).busy_s > 0
    with waiting() as child:
        assert child.pid in descendants(me)
        child.communicate(b"")
    assert start_ticks(child.pid) is None
