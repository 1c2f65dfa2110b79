"""The null FUSE ceiling: the tree that it was given, from memory, and nothing left of it afterwards."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from harness.errors import TrialFailed
from harness.kernelcache import resident_pages
from harness.procfs import is_mounted, start_ticks
from harness.systems.fuse import CONFIGS, SYSTEMS, SystemContext
from harness.systems.fuse.null import NullFuse
from harness.systems.fuse.null._files import MemoryFiles
from pond.filesystem import ROOT_INO


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "train" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "train" / "a.jpg").write_bytes(os.urandom(300_000))
    (folder / "train" / "deep" / "b.jpg").write_bytes(b"b")
    (folder / "train" / "nothing.jpg").write_bytes(b"")
    return folder


def tree_of(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def context(tree: Path, work: Path) -> SystemContext:
    work.mkdir()
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    return SystemContext("memory", tree, size, None, Fraction(1), work)


# --- without FUSE --------------------------------------------------------------------------------


def test_it_is_a_ceiling_by_the_name_null() -> None:
    assert CONFIGS["null"] == ("null", "memory")
    assert SYSTEMS["null"] is NullFuse
    assert (NullFuse.ceiling, NullFuse.layout) == (True, "none")


def test_names_lead_to_files(tree: Path) -> None:
    files = MemoryFiles(tree)
    folder = files.lookup(ROOT_INO, b"train")
    found = files.lookup(folder.ino, b"a.jpg")

    assert found.size == 300_000
    assert files.open(found.ino, os.O_RDONLY) == found.ino
    assert [name for name, _, _ in files.children(folder.ino, 0)] == [b"a.jpg", b"deep", b"nothing.jpg"]
    assert [name for name, _, _ in files.children(folder.ino, 2)] == [b"nothing.jpg"]
    assert files.usage().bytes == 300_001
    with pytest.raises(FileNotFoundError):
        files.lookup(folder.ino, b"c.jpg")


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 10), (0, 400_000), (299_999, 4096), (300_000, 4096), (400_000, 1), (5, 0)]
)
def test_a_read_gives_what_the_file_has_there(tree: Path, offset: int, length: int) -> None:
    files = MemoryFiles(tree)
    ino = files.lookup(files.lookup(ROOT_INO, b"train").ino, b"a.jpg").ino

    read = files.read(ino, offset, length)

    assert not read.waiting
    assert bytes(read.result()) == (tree / "train" / "a.jpg").read_bytes()[offset : offset + length]


def test_it_cannot_be_written(tree: Path) -> None:
    files = MemoryFiles(tree)

    with pytest.raises(OSError) as refused:
        files.open(ROOT_INO, os.O_WRONLY)

    assert refused.value.errno == errno.EROFS


def test_files_that_do_not_fit_into_memory_are_refused(tree: Path, tmp_path: Path) -> None:
    small = context(tree, tmp_path / "work")
    huge = SystemContext("memory", tree, 1 << 60, None, small.scale, small.work)

    with pytest.raises(TrialFailed, match="holds all files in memory"):
        NullFuse(huge).prepare()


# --- mounted -------------------------------------------------------------------------------------


@pytest.fixture
def mounted(tree: Path, tmp_path: Path) -> Iterator[tuple[NullFuse, Path]]:
    system = NullFuse(context(tree, tmp_path / "work"))
    system.prepare()
    try:
        yield system, system.mount()
    finally:
        system.unmount()


@pytest.mark.fuse
def test_a_mount_shows_the_tree_that_it_was_given(tree: Path, mounted: tuple[NullFuse, Path]) -> None:
    _, folder = mounted

    assert tree_of(folder) == tree_of(tree)


@pytest.mark.fuse
def test_a_mount_leaves_nothing_in_the_page_cache(mounted: tuple[NullFuse, Path]) -> None:
    _, folder = mounted
    path = folder / "train" / "a.jpg"

    with path.open("rb") as held:
        path.read_bytes()
        assert resident_pages(held.fileno()) == 0


@pytest.mark.fuse
def test_nothing_is_left_of_a_mount(mounted: tuple[NullFuse, Path]) -> None:
    system, folder = mounted
    pid = system.pid
    assert pid is not None
    assert start_ticks(pid) is not None

    system.unmount()

    assert not is_mounted(folder)
    assert start_ticks(pid) is None
    assert system.pid is None


@pytest.mark.fuse
def test_a_daemon_that_cannot_mount_says_why_in_one_line(tree: Path, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    command = [sys.executable, "-m", "harness.systems.fuse.null", str(tree), str(in_the_way)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert done.stderr.startswith("null FUSE: ")
    assert len(done.stderr.splitlines()) == 1
