"""What a mount promises of caching and fetching."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from random import Random

import pytest

from harness.kernelcache import resident_pages
from pond.filesystem import ROOT_INO
from pond.mount import MountOptions
from pond.prefetch import PrefetchMode
from pond.volume import Volume
from tests.pond.mounts import Mount, mounted, pond, wait_until
from tests.pond.semantics.promises import (
    MIB,
    assembled,
    content,
    ino,
    promise,
    random_files,
    settle,
)
from tests.pond.stores import Gate
from tests.pond.trees import everyday_tree

# --- caching --------------------------------------------------------------------------------------------


@promise(19)
@pytest.mark.parametrize("mode", list(PrefetchMode))
def test_the_cache_stays_within_its_limit(mode: PrefetchMode) -> None:
    files = random_files(300, 30_000)
    with assembled(files, mode, cache_bytes=3 * MIB) as (made, _):
        for path in [*files, *reversed(files)]:
            assert content(made.filesystem, path) == files[path]
            assert made.fetcher.cache.held_bytes <= 3 * MIB
        settle(made)
        assert made.fetcher.cache.held_bytes <= 3 * MIB


@promise(20)
def test_readers_of_the_same_bytes_cause_one_get() -> None:
    with assembled({b"a": b"wanted by many"}) as (made, store):
        store.before = gate = Gate()
        fs = made.filesystem
        reads = [fs.read(fs.open(ino(fs, b"a"), os.O_RDONLY), 0, 100) for _ in range(20)]
        gate.open()
        assert [read.result(30) for read in reads] == [b"wanted by many"] * 20
        assert len(store.gets) == 1


@promise(21)
@pytest.mark.fuse
def test_with_the_page_cache_reading_again_costs_no_read(mount: Mount) -> None:
    path = mount.path / "folder" / "two"
    assert path.read_bytes() == b"2" * 100_000
    before = mount.stats()["reads"]
    assert path.read_bytes() == b"2" * 100_000
    assert mount.stats()["reads"] == before


@promise(22)
@pytest.mark.fuse
def test_without_the_page_cache_no_page_is_kept(volume: Volume, tmp_path: Path) -> None:
    with mounted(f"{volume.url}@v1", tmp_path / "mnt", "--no-page-cache") as running:
        path = running.path / "folder" / "two"
        with path.open("rb", buffering=0) as file:
            for expected in (1, 2, 3):
                assert os.pread(file.fileno(), 100, 0) == b"2" * 100
                assert running.stats()["reads"] == expected
            assert resident_pages(file.fileno()) == 0


def stop(process: int) -> None:
    """Suspend a process, and wait until all of it stands still."""
    os.kill(process, signal.SIGSTOP)
    states = list(Path(f"/proc/{process}/task").glob("*/stat"))
    wait_until(
        lambda: {state.read_text().rpartition(") ")[2][0] for state in states} == {"T"}, "it stands still"
    )


def is_there(path: Path) -> bool:
    return path.exists()


@promise(23)
@pytest.mark.fuse
@pytest.mark.parametrize("timeout", ["default", "0"])
def test_the_kernel_keeps_names_as_long_as_it_is_told(volume: Volume, tmp_path: Path, timeout: str) -> None:
    options = [] if timeout == "default" else ["--kernel-cache-timeout", timeout]
    with mounted(f"{volume.url}@v1", tmp_path / "mnt", *options) as running, ThreadPoolExecutor(2) as pool:
        paths = [running.path / "a.txt", running.path / "none"]
        assert [is_there(path) for path in paths] == [True, False]
        stop(running.process.pid)  # now only the kernel can answer
        try:
            asked = [pool.submit(is_there, path) for path in paths]
            done, _ = wait(asked, 30 if timeout == "default" else 0.3)
            assert len(done) == (2 if timeout == "default" else 0)
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert [future.result(30) for future in asked] == [True, False]
    assert MountOptions().kernel_cache_timeout_s == 365 * 86400


@promise(24)
@pytest.mark.fuse
def test_clearing_drops_entries_and_pages(mount: Mount) -> None:
    path = mount.path / "folder" / "one"
    assert path.read_bytes() == b"1" * 4097
    before = mount.stats()
    assert before["cache_bytes"] > 0
    assert pond("clear-cache", str(mount.path)).returncode == 0
    assert mount.stats()["cache_bytes"] == 0
    assert path.read_bytes() == b"1" * 4097
    after = mount.stats()
    assert (after["reads"] > before["reads"], after["requests"]) == (True, before["requests"] + 1)


@promise(25)
def test_what_is_on_its_way_when_the_cache_is_cleared_is_served_and_not_kept() -> None:
    with assembled({b"a": b"on its way"}) as (made, store):
        store.before = gate = Gate()
        fs = made.filesystem
        read = fs.read(fs.open(ino(fs, b"a"), os.O_RDONLY), 0, 100)
        gate.await_arrival()
        fs.clear_cache()
        gate.open()
        assert read.result(30) == b"on its way"
        assert len(made.fetcher.cache) == 0


# --- fetching -------------------------------------------------------------------------------------------


@promise(26)
@pytest.mark.parametrize("mode", list(PrefetchMode))
def test_nothing_is_fetched_before_the_first_read(mode: PrefetchMode) -> None:
    with assembled(everyday_tree(), mode) as (made, store):
        fs = made.filesystem
        for name, attributes, _ in fs.children(ROOT_INO, 0):
            assert fs.lookup(ROOT_INO, name) == attributes
        fs.open(ino(fs, b"a.txt"), os.O_RDONLY)
        assert fs.usage().nodes > 0
        assert store.gets == []


@promise(27)
def test_random_access_fetches_what_is_read() -> None:
    files = random_files(400, 20_000)
    paths = list(files)
    Random(3).shuffle(paths)
    with assembled(files, PrefetchMode.AUTO, cache_bytes=2 * MIB) as (made, store):
        for path in paths[:200]:
            assert content(made.filesystem, path) == files[path]
        settle(made)
        assert 200 * 20_000 <= store.bytes_fetched <= 1.05 * 200 * 20_000


@promise(28)
def test_auto_fetches_a_version_that_the_cache_can_hold_once() -> None:
    files = random_files(400, 20_000)
    with assembled(files, PrefetchMode.AUTO) as (made, store):
        assert content(made.filesystem, b"00200") == files[b"00200"]
        wait_until(lambda: len(made.fetcher.cache) == 400, "everything in the cache")
        settle(made)
        assert store.bytes_fetched == 400 * 20_000
        assert len(store.gets) < 20


@promise(29)
def test_a_sequential_reader_is_fetched_ahead_of_within_bounds() -> None:
    files = random_files(600, 20_000)
    most = 0
    with assembled(files, PrefetchMode.AUTO, cache_bytes=4 * MIB) as (made, store):
        for path in files:
            assert content(made.filesystem, path) == files[path]
            settle(made)
            most = max(most, made.fetcher.cache.unread_bytes)
        assert 0 < most <= 2 * MIB + MIB
        assert len(store.gets) < 60
