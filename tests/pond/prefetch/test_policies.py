"""What is fetched ahead of whom, seen from the store: how many GETs, and how many bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from random import Random

import pytest

from pond.errors import CorruptData, StoreUnavailable
from pond.filesystem import Filesystem
from pond.format import BLOCK_BYTES
from pond.metrics import parse_metrics
from pond.mount import Assembly, MountOptions, assemble
from pond.prefetch import PrefetchMode
from tests.pond.mounts import wait_until
from tests.pond.stores import Gate, RecordingStore, failing
from tests.pond.trees import Content, recording, version_of

MIB = 1 << 20
KIB = 1 << 10
READ_BYTES = 128 * KIB


class Mounted:
    """A version behind a file system, without a kernel."""

    def __init__(self, files: dict[bytes, Content], options: MountOptions) -> None:
        version = version_of(files)
        self.files = files
        self.store: RecordingStore = recording(version)
        self.manifest = version.manifest
        self.assembly: Assembly = assemble(version, options)
        self.fs: Filesystem = self.assembly.filesystem
        self.needed_bytes = version.stored_bytes
        self._lock = threading.Lock()  # the file system is called from one thread

    def read(self, path: bytes, step: int = READ_BYTES, *, start: int = 0, stop: int | None = None) -> None:
        """Open a file, read it as the kernel would, compare it with what it should be, close it."""
        content = self.files[path]
        assert isinstance(content, bytes)
        node = self.manifest.resolve(path)
        assert node is not None
        with self._lock:
            handle = self.fs.open(self.manifest.ino[node], 0)
        for offset in range(start, len(content) if stop is None else stop, step):
            with self._lock:
                read = self.fs.read(handle, offset, step)
            assert read.result(30) == content[offset : offset + step]
        with self._lock:
            self.fs.release(handle)

    def damage(self, path: bytes) -> None:
        """Flip a bit of a file's first entry."""
        node = self.manifest.resolve(path)
        assert node is not None
        extent = self.manifest.extent(self.manifest.first[node])
        key = self.manifest.pack(extent.pack).url
        pack = bytearray(self.store.objects[key])
        pack[extent.offset] ^= 1
        self.store.objects[key] = bytes(pack)

    def settle(self) -> None:
        """Wait until nothing is on its way ahead of readers."""
        wait_until(lambda: self.assembly.fetcher.ahead_bytes == 0, "nothing under way")

    def misses(self) -> float:
        """How many entries readers have asked for that were neither here nor coming."""
        return parse_metrics(self.assembly.metrics.render().decode())["demand_misses"]

    def await_all(self) -> None:
        """Wait until every entry is in the cache."""
        digests = {self.manifest.digest(entry) for entry in range(self.manifest.entries)}
        wait_until(lambda: len(self.assembly.fetcher.cache) == len(digests), "everything in the cache")
        self.settle()

    def once_each(self) -> bool:
        """Say whether no byte was fetched twice."""
        spans = sorted((get.key, get.offset, get.length) for get in self.store.gets)
        return all(a[0] != b[0] or a[1] + a[2] <= b[1] for a, b in pairwise(spans))


@contextmanager
def mounted(
    files: dict[bytes, Content],
    mode: PrefetchMode,
    *,
    chunk_bytes: int = MIB,
    readahead_bytes: int = 4 * MIB,
    cache_bytes: int = 64 * MIB,
) -> Iterator[Mounted]:
    rig = Mounted(
        files,
        MountOptions(
            chunk_bytes=chunk_bytes, readahead_bytes=readahead_bytes, cache_bytes=cache_bytes, prefetch=mode
        ),
    )
    try:
        yield rig
    finally:
        rig.store.before = lambda _get: None
        rig.assembly.fetcher.close()


def many_files(count: int, mean_bytes: int = 20 * KIB) -> dict[bytes, Content]:
    random = Random(7)
    return {
        b"train/%06d.jpg" % i: random.randbytes(random.randint(mean_bytes // 2, 3 * mean_bytes // 2))
        for i in range(count)
    }


def file_bytes(files: dict[bytes, Content], paths: Sequence[bytes]) -> int:
    return sum(len(content) for path in paths if isinstance(content := files[path], bytes))


@pytest.fixture(scope="module")
def files() -> dict[bytes, Content]:
    """1,600 files, 31 MiB."""
    return many_files(1600)


@pytest.fixture(scope="module")
def shuffled(files: dict[bytes, Content]) -> list[bytes]:
    paths = list(files)
    Random(42).shuffle(paths)
    return paths


# --- random access -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [PrefetchMode.AUTO, PrefetchMode.SEQUENTIAL, PrefetchMode.NONE])
def test_random_access_over_more_than_the_cache_fetches_exactly_what_is_read(
    files: dict[bytes, Content], shuffled: list[bytes], mode: PrefetchMode
) -> None:
    read = shuffled[:800]
    with mounted(files, mode, cache_bytes=8 * MIB) as rig:
        for path in read:
            rig.read(path)
        rig.settle()
        assert len(rig.store.gets) <= 1.05 * len(read)
        assert rig.store.bytes_fetched <= 1.05 * file_bytes(files, read)
        if mode is PrefetchMode.NONE:
            assert (len(rig.store.gets), rig.store.bytes_fetched) == (800, file_bytes(files, read))


def test_a_file_of_a_few_blocks_read_at_random_offsets_fetches_those_blocks() -> None:
    files: dict[bytes, Content] = {b"large": Random(1).randbytes(24 * BLOCK_BYTES)}
    offsets = [7, 19, 2, 15, 22, 11]
    with mounted(files, PrefetchMode.SEQUENTIAL, cache_bytes=8 * MIB) as rig:
        for block in offsets:
            start = block * BLOCK_BYTES + 1000
            rig.read(b"large", start=start, stop=start + 1)
        rig.settle()
        assert rig.store.bytes_fetched == len(offsets) * BLOCK_BYTES


def test_blind_fetches_many_times_what_is_read_at_random(
    files: dict[bytes, Content], shuffled: list[bytes]
) -> None:
    read = shuffled[:150]
    with mounted(files, PrefetchMode.BLIND, cache_bytes=4 * MIB) as rig:
        for path in read:
            rig.read(path)
        rig.settle()
        assert rig.store.bytes_fetched > 5 * file_bytes(files, read)


# --- sequential access -------------------------------------------------------------------------------


def test_one_sequential_reader_fetches_each_byte_once_in_few_gets(files: dict[bytes, Content]) -> None:
    with mounted(files, PrefetchMode.SEQUENTIAL, cache_bytes=16 * MIB) as rig:
        for path in files:
            rig.read(path)
        rig.settle()
        assert rig.store.bytes_fetched <= 1.05 * rig.needed_bytes
        assert len(rig.store.gets) <= len(files) / 20


def interleaved(paths: list[bytes], workers: int, batch: int) -> Iterator[tuple[int, bytes]]:
    """The order in which a data loader's workers read: worker w has batches w, w + workers, ..."""
    batches = [paths[start : start + batch] for start in range(0, len(paths), batch)]
    streams = [
        [path for number in range(worker, len(batches), workers) for path in batches[number]]
        for worker in range(workers)
    ]
    for step in range(max(map(len, streams))):
        for worker, stream in enumerate(streams):
            if step < len(stream):
                yield worker, stream[step]


def test_four_interleaved_readers_with_batches_of_64_are_four_sequential_streams(
    files: dict[bytes, Content],
) -> None:
    with mounted(files, PrefetchMode.SEQUENTIAL, cache_bytes=16 * MIB) as rig:
        for _, path in interleaved(list(files), 4, 64):
            rig.read(path)
        rig.settle()
        assert rig.store.bytes_fetched <= 1.05 * rig.needed_bytes
        assert len(rig.store.gets) <= len(files) / 8


def test_a_reader_who_jumps_ahead_of_the_others_finds_its_next_batch_there(
    files: dict[bytes, Content],
) -> None:
    order = [path for _, path in interleaved(list(files), 4, 64)]
    with mounted(
        files,
        PrefetchMode.SEQUENTIAL,
        chunk_bytes=128 * KIB,
        readahead_bytes=512 * KIB,
        cache_bytes=16 * MIB,
    ) as rig:
        for number, path in enumerate(order):
            if number == 2 * 4 * 64:  # the readers are known by then
                missed = rig.misses()
            rig.read(path)
            rig.settle()
        batches = len(files) // 64 - 2 * 4
        assert rig.misses() - missed <= batches / 4
        assert rig.store.bytes_fetched <= 1.05 * rig.needed_bytes


def test_four_readers_of_one_scan_are_served_in_gets_of_four_chunks(files: dict[bytes, Content]) -> None:
    chunk_bytes = 128 * KIB
    with mounted(
        files,
        PrefetchMode.SEQUENTIAL,
        chunk_bytes=chunk_bytes,
        readahead_bytes=4 * chunk_bytes,
        cache_bytes=16 * MIB,
    ) as rig:
        for _, path in interleaved(list(files), 4, 64):
            rig.read(path)
            rig.settle()
        assert rig.store.bytes_fetched <= 1.01 * rig.needed_bytes
        assert len(rig.store.gets) <= 1.5 * rig.needed_bytes / (4 * chunk_bytes)


def test_four_readers_at_once_are_four_sequential_streams(files: dict[bytes, Content]) -> None:
    paths = list(files)
    with mounted(files, PrefetchMode.SEQUENTIAL, cache_bytes=16 * MIB) as rig:
        work = [[path for number, path in interleaved(paths, 4, 64) if number == w] for w in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda mine: [rig.read(path) for path in mine], work))
        rig.settle()
        assert rig.store.bytes_fetched <= 1.1 * rig.needed_bytes
        assert len(rig.store.gets) <= len(files) / 4


def test_reading_one_large_file_through_prefetches_in_that_file_only() -> None:
    random = Random(3)
    files: dict[bytes, Content] = {
        b"a": random.randbytes(3 * MIB),
        b"large": random.randbytes(20 * MIB + 17),
        b"z": random.randbytes(20 * MIB),
    }
    with mounted(files, PrefetchMode.SEQUENTIAL, chunk_bytes=4 * MIB, cache_bytes=24 * MIB) as rig:
        rig.read(b"large")
        rig.settle()
        node = rig.manifest.resolve(b"large")
        assert node is not None
        inside = rig.manifest.file_entries(node)
        start = rig.manifest.extent(inside[0]).offset
        end = start + 20 * MIB + 17
        assert [get for get in rig.store.gets if get.offset < start or get.offset + get.length > end] == []
        assert rig.store.bytes_fetched == 20 * MIB + 17
        assert len(rig.store.gets) <= 12


@pytest.mark.parametrize("step", [1000, 4096, 128 * KIB, 3 * MIB])
def test_the_size_of_a_read_does_not_change_what_is_fetched(step: int) -> None:
    files: dict[bytes, Content] = {b"large": Random(3).randbytes(6 * MIB + 17)}
    with mounted(files, PrefetchMode.SEQUENTIAL, cache_bytes=24 * MIB) as rig:
        rig.read(b"large", step)
        rig.settle()
        assert rig.store.bytes_fetched == 6 * MIB + 17


def test_unread_bytes_stay_within_half_the_cache_and_a_chunk(files: dict[bytes, Content]) -> None:
    with mounted(files, PrefetchMode.SEQUENTIAL, readahead_bytes=32 * MIB, cache_bytes=6 * MIB) as rig:
        fetcher = rig.assembly.fetcher
        most = 0
        for number, (_, path) in enumerate(interleaved(list(files), 4, 64)):
            rig.read(path)
            if number % 16 == 0:
                rig.settle()
                most = max(most, fetcher.cache.unread_bytes)
        assert 2 * MIB < most <= 3 * MIB + MIB
        assert fetcher.cache.held_bytes <= 6 * MIB


def test_a_second_pass_over_what_the_cache_holds_fetches_nothing(files: dict[bytes, Content]) -> None:
    few = dict(list(files.items())[:200])
    with mounted(few, PrefetchMode.SEQUENTIAL) as rig:
        for _ in range(2):
            for path in few:
                rig.read(path)
            rig.settle()
        assert rig.store.bytes_fetched <= 1.05 * rig.needed_bytes
        assert rig.once_each()


def test_random_reads_beside_a_scan_fetch_nothing_ahead_of_themselves(files: dict[bytes, Content]) -> None:
    paths = list(files)
    scanned, beside = paths[:400], paths[500:700]
    Random(5).shuffle(beside)
    lone = beside[:40]
    with mounted(
        files, PrefetchMode.SEQUENTIAL, chunk_bytes=128 * KIB, readahead_bytes=512 * KIB, cache_bytes=16 * MIB
    ) as rig:
        for number, path in enumerate(scanned):
            rig.read(path)
            if number % 10 == 9:
                rig.read(lone[number // 10])
                rig.settle()
        ahead_of_the_scan = 512 * KIB + 128 * KIB
        assert rig.store.bytes_fetched <= file_bytes(files, [*scanned, *lone]) + ahead_of_the_scan


@pytest.mark.parametrize("behind", [60, 100, 150, 300])  # files of about 20 KiB
def test_a_reader_close_behind_another_is_fetched_ahead_of_too(
    files: dict[bytes, Content], behind: int
) -> None:
    paths = list(files)[: 800 + behind]
    with mounted(
        files, PrefetchMode.SEQUENTIAL, chunk_bytes=128 * KIB, readahead_bytes=512 * KIB, cache_bytes=4 * MIB
    ) as rig:
        for number, path in enumerate(paths):
            rig.read(path)
            rig.settle()
            if number >= behind:
                rig.read(paths[number - behind])
                rig.settle()
        assert rig.misses() <= 800 / 5
        assert rig.store.bytes_fetched <= 1.05 * file_bytes(files, [*paths, *paths[:800]])


def test_readahead_that_nobody_came_for_makes_way_for_the_next_scan(files: dict[bytes, Content]) -> None:
    paths = list(files)
    with mounted(
        files, PrefetchMode.SEQUENTIAL, chunk_bytes=128 * KIB, readahead_bytes=4 * MIB, cache_bytes=8 * MIB
    ) as rig:
        for path in paths[1000:1100]:
            rig.read(path)
            rig.settle()
        assert rig.assembly.fetcher.cache.unread_bytes > 3 * MIB
        missed = rig.misses()
        for path in paths[:600]:
            rig.read(path)
            rig.settle()
        assert rig.misses() - missed <= 300


# --- filling -----------------------------------------------------------------------------------------


def test_a_mount_that_nobody_reads_from_fetches_nothing(files: dict[bytes, Content]) -> None:
    with mounted(files, PrefetchMode.FILL) as rig:
        root = rig.fs.lookup(1, b"train").ino
        names = [name for name, _, _ in rig.fs.children(root, 0)]
        assert len(names) == len(files)
        assert rig.store.gets == []


def test_the_first_read_starts_filling_and_everything_is_fetched_once(files: dict[bytes, Content]) -> None:
    with mounted(files, PrefetchMode.FILL) as rig:
        rig.read(next(iter(files)))
        rig.await_all()
        assert rig.store.bytes_fetched == rig.needed_bytes
        assert rig.once_each()
        assert len(rig.store.gets) <= 1.2 * rig.needed_bytes / MIB + 1
        gets = len(rig.store.gets)
        for path in files:
            rig.read(path)
        assert len(rig.store.gets) == gets


def test_auto_fills_where_the_version_fits_and_does_not_where_it_does_not(
    files: dict[bytes, Content],
) -> None:
    with mounted(files, PrefetchMode.AUTO, cache_bytes=64 * MIB) as rig:
        rig.read(next(iter(files)))
        rig.await_all()
        assert rig.store.bytes_fetched == rig.needed_bytes
    with mounted(files, PrefetchMode.AUTO, cache_bytes=30 * MIB) as rig:
        rig.read(next(iter(files)))
        rig.settle()
        assert rig.store.bytes_fetched < MIB


@pytest.mark.parametrize("order", ["random", "serial"])
def test_filling_fetches_each_byte_once_while_readers_ask_for_their_own(
    files: dict[bytes, Content], shuffled: list[bytes], order: str
) -> None:
    paths = shuffled if order == "random" else list(files)
    with mounted(files, PrefetchMode.FILL) as rig:
        work = [[path for w, path in interleaved(paths, 4, 64) if w == worker] for worker in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda mine: [rig.read(path) for path in mine], work))
        rig.await_all()
        assert rig.once_each()
        assert rig.store.bytes_fetched == rig.needed_bytes


def test_filling_goes_over_several_packs_and_blocks() -> None:
    random = Random(5)
    files: dict[bytes, Content] = {b"large": random.randbytes(5 * MIB + 1), b"small": b"x", b"empty": b""}
    with mounted(files, PrefetchMode.FILL) as rig:
        rig.read(b"small")
        rig.await_all()
        assert rig.store.bytes_fetched == rig.needed_bytes
        rig.read(b"large")
        rig.read(b"empty")


def test_a_cleared_cache_is_filled_again_with_the_next_read(files: dict[bytes, Content]) -> None:
    with mounted(files, PrefetchMode.FILL) as rig:
        for expected in (1, 2):
            rig.read(next(iter(files)))
            rig.await_all()
            assert rig.store.bytes_fetched == expected * rig.needed_bytes
            rig.fs.clear_cache()


def test_a_cache_that_is_cleared_while_all_is_on_its_way_is_filled_all_the_same(
    files: dict[bytes, Content],
) -> None:
    few = dict(list(files.items())[:40])
    with mounted(few, PrefetchMode.FILL) as rig:
        gate = rig.store.before = Gate()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(rig.read, next(iter(few)))
            gate.await_arrival()
            gate.await_arrival()  # the reader's and the fill's, which is all there is
            rig.fs.clear_cache()
            gate.open()
            first.result(30)
        rig.settle()
        rig.read(next(iter(few)))
        rig.await_all()


# --- failures ----------------------------------------------------------------------------------------


def test_a_store_that_fails_is_not_asked_for_ever(files: dict[bytes, Content]) -> None:
    with mounted(files, PrefetchMode.FILL) as rig:
        rig.store.before = failing(StoreUnavailable("no answer"))
        with pytest.raises(StoreUnavailable):
            rig.read(next(iter(files)))
        rig.settle()
        asked = len(rig.store.gets)
        assert asked <= 12 + 3 + 1
        rig.store.before = lambda _get: None
        rig.read(next(iter(files)))
        rig.await_all()
        assert rig.store.bytes_fetched - rig.needed_bytes <= asked * MIB


def test_a_damaged_entry_is_asked_for_by_its_readers_only(files: dict[bytes, Content]) -> None:
    paths = list(files)
    with mounted(files, PrefetchMode.FILL) as rig:
        rig.damage(paths[5])
        rig.read(paths[0])
        wait_until(lambda: len(rig.assembly.fetcher.cache) == rig.manifest.entries - 1, "all else is here")
        rig.settle()
        asked = len(rig.store.gets)
        for _ in range(100):
            rig.read(paths[0])
        rig.settle()
        assert len(rig.store.gets) <= asked + 1
        with pytest.raises(CorruptData):
            rig.read(paths[5])


@pytest.mark.parametrize("mode", [PrefetchMode.SEQUENTIAL, PrefetchMode.BLIND])
def test_readers_go_on_after_prefetches_have_failed(files: dict[bytes, Content], mode: PrefetchMode) -> None:
    paths = list(files)[:300]
    with mounted(files, mode, cache_bytes=16 * MIB) as rig:
        for number, path in enumerate(paths):
            if number == 20:
                rig.settle()
                rig.store.before = failing(StoreUnavailable("no answer"))
                rig.assembly.fetcher.cache.clear()
                with pytest.raises(StoreUnavailable):
                    rig.read(path)
                rig.settle()
                rig.store.before = lambda _get: None
            rig.read(path)
        assert rig.store.bytes_fetched > 0
