"""Getting entries: each once, checked, and never a failure kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from pond.cache import ENTRY_OVERHEAD_BYTES, EntryCache, Fetcher, Piece
from pond.errors import CorruptData, NotFound, PondError, StoreUnavailable
from pond.metrics import Metrics, parse_metrics
from tests.pond.mounts import wait_until
from tests.pond.stores import Gate, Get, RecordingStore, failing
from tests.pond.trees import PACK_KEY, Content, recording, version_of

FILES: dict[bytes, Content] = {b"%02d" % i: bytes([i]) * 1000 for i in range(20)}


class Rig:
    """A fetcher over files in memory."""

    def __init__(self, files: dict[bytes, Content], *, cache_bytes: int = 64 << 20) -> None:
        version = version_of(files)
        self.store: RecordingStore = recording(version)
        self.metrics = Metrics()
        self.cache = EntryCache(cache_bytes, self.metrics)
        self.fetcher = Fetcher(version, self.cache, self.metrics)
        self.manifest = version.manifest
        self.start = self.manifest.extent(0).offset

    def read(self, entries: range) -> list[bytes]:
        return [value(piece) for piece in self.fetcher.demand(entries)]

    def damage(self, entry: int) -> None:
        pack = bytearray(self.store.objects[PACK_KEY])
        pack[self.manifest.extent(entry).offset] ^= 1
        self.store.objects[PACK_KEY] = bytes(pack)

    def values(self) -> dict[str, float]:
        return parse_metrics(self.metrics.render().decode())


def value(piece: Piece) -> bytes:
    return piece.result(30) if isinstance(piece, Future) else piece


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig(FILES)
    yield made
    made.store.before = lambda _get: None
    made.fetcher.close()


def prefetched(rig: Rig, run: range, *, again: bool = False) -> bool:
    """Prefetch and wait until it has come or failed."""
    finished = Event()
    told: list[Exception | None] = []

    def done(error: Exception | None) -> None:
        told.append(error)
        finished.set()

    assert rig.fetcher.prefetch(run, done, again=again)
    assert finished.wait(30)
    return told[0] is None


# --- demand ------------------------------------------------------------------------------------------


def test_what_is_asked_for_comes_and_the_second_time_costs_nothing(rig: Rig) -> None:
    assert rig.read(range(3, 5)) == [FILES[b"03"], FILES[b"04"]]
    assert rig.read(range(3, 5)) == [FILES[b"03"], FILES[b"04"]]
    assert rig.store.gets == [Get(PACK_KEY, rig.start + 3000, 2000)]


def test_exactly_what_is_missing_is_asked_for(rig: Rig) -> None:
    rig.read(range(4, 5))
    rig.read(range(7, 8))
    assert rig.read(range(3, 10)) == [FILES[b"%02d" % i] for i in range(3, 10)]
    ranges = {(get.offset - rig.start, get.length) for get in rig.store.gets[2:]}
    assert ranges == {(3000, 1000), (5000, 2000), (8000, 2000)}


def test_a_long_run_is_cut(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pond.cache._fetcher.MAX_RUN_BYTES", 7500)
    assert rig.read(range(20)) == list(FILES.values())
    assert sorted(get.length for get in rig.store.gets) == [6000, 7000, 7000]


def test_equal_entries_are_fetched_once() -> None:
    rig = Rig({b"a": b"same" * 100, b"b": b"other" * 100, b"c": b"same" * 100})
    assert rig.read(range(3)) == [b"same" * 100, b"other" * 100, b"same" * 100]
    assert rig.store.bytes_fetched == 900
    rig.fetcher.close()


def test_many_readers_of_one_entry_are_one_get(rig: Rig) -> None:
    readers = 32
    gate = rig.store.before = Gate()
    together = Barrier(readers)

    def read() -> list[Piece]:
        together.wait(30)
        return rig.fetcher.demand(range(6, 8))

    with ThreadPoolExecutor(readers) as pool:
        asked = [pool.submit(read) for _ in range(readers)]
        pieces = [future.result(30) for future in asked]
    gate.await_arrival()
    assert len({id(piece) for pair in pieces for piece in pair}) == 2
    gate.open()
    assert [[value(piece) for piece in pair] for pair in pieces] == [[FILES[b"06"], FILES[b"07"]]] * readers
    assert rig.store.bytes_fetched == 2000
    found = rig.values()
    assert (found["demand_misses"], found["demand_waits"]) == (2, 2 * readers - 2)


def test_different_entries_do_not_wait_for_each_other(rig: Rig) -> None:
    gate = Gate()
    rig.store.before = lambda get: gate(get) if get.offset == rig.start else None
    (slow,) = rig.fetcher.demand(range(1))
    gate.await_arrival()
    assert rig.read(range(1, 2)) == [FILES[b"01"]]
    assert isinstance(slow, Future)
    assert not slow.done()
    gate.open()
    assert value(slow) == FILES[b"00"]


def test_demand_does_not_queue_behind_prefetch(rig: Rig) -> None:
    gate = rig.store.before = Gate()
    for entry in range(15):
        assert rig.fetcher.prefetch(range(entry, entry + 1))
    for _ in range(rig.fetcher.prefetch_threads):
        gate.await_arrival()
    (piece,) = rig.fetcher.demand(range(19, 20))
    gate.await_arrival()  # the reader's
    assert rig.store.gets[-1] == Get(PACK_KEY, rig.start + 19_000, 1000)
    gate.open()
    assert value(piece) == FILES[b"19"]


def test_an_entry_that_the_cache_cannot_hold_is_served_all_the_same() -> None:
    rig = Rig({b"a": b"x" * 5000}, cache_bytes=3000)
    assert rig.read(range(1)) + rig.read(range(1)) == [b"x" * 5000] * 2
    assert len(rig.store.gets) == 2
    rig.fetcher.close()


# --- failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [StoreUnavailable("no answer"), NotFound("gone")])
def test_a_failed_fetch_is_told_and_the_next_read_asks_again(rig: Rig, error: PondError) -> None:
    rig.store.before = failing(error, times=1)
    pieces = rig.fetcher.demand(range(2))
    for piece in pieces:
        with pytest.raises(type(error)) as raised:
            value(piece)
        assert raised.value is error
    assert len(rig.cache) == 0
    assert rig.read(range(2)) == [FILES[b"00"], FILES[b"01"]]
    assert rig.values()["errors"] == 1


def test_whatever_goes_wrong_those_who_wait_are_told(rig: Rig) -> None:
    def broken(_get: Get) -> None:
        raise ZeroDivisionError

    rig.store.before = broken
    with pytest.raises(ZeroDivisionError):
        rig.read(range(1))
    rig.store.before = lambda _get: None
    assert rig.read(range(1)) == [FILES[b"00"]]


def test_a_wrong_digest_is_an_error_of_that_entry_only(rig: Rig) -> None:
    rig.damage(3)
    pieces = rig.fetcher.demand(range(1, 6))
    with pytest.raises(
        CorruptData, match=rf"{PACK_KEY}: 1000 bytes at {rig.start + 3000} do not match their digest"
    ):
        value(pieces[2])
    others = [value(piece) for index, piece in enumerate(pieces) if index != 2]
    assert others == [FILES[b"%02d" % i] for i in (1, 2, 4, 5)]
    assert len(rig.cache) == 4
    with pytest.raises(CorruptData):
        rig.read(range(3, 4))
    assert len(rig.store.gets) == 2


def test_bytes_that_were_wrong_on_the_way_once_are_right_the_next_time(rig: Rig) -> None:
    sound = rig.store.objects[PACK_KEY]
    rig.damage(0)
    with pytest.raises(CorruptData):
        rig.read(range(1))
    rig.store.objects[PACK_KEY] = sound
    assert rig.read(range(1)) == [FILES[b"00"]]


def test_a_prefetch_that_fails_is_told_and_a_reader_asks_again(rig: Rig) -> None:
    rig.store.before = failing(StoreUnavailable("no answer"), times=1)
    assert not prefetched(rig, range(5))
    assert rig.fetcher.ahead_bytes == 0
    assert rig.read(range(5)) == [FILES[b"%02d" % i] for i in range(5)]


# --- clearing ----------------------------------------------------------------------------------------


def test_what_was_on_its_way_when_the_cache_was_cleared_is_served_but_not_kept(rig: Rig) -> None:
    gate = rig.store.before = Gate()
    (piece,) = rig.fetcher.demand(range(1))
    gate.await_arrival()
    rig.cache.clear()
    gate.open()
    assert value(piece) == FILES[b"00"]
    assert len(rig.cache) == 0
    assert rig.read(range(1)) == [FILES[b"00"]]
    assert len(rig.store.gets) == 2


def test_a_prefetch_on_its_way_when_the_cache_was_cleared_is_not_kept(rig: Rig) -> None:
    gate = rig.store.before = Gate()
    finished = Event()
    rig.fetcher.prefetch(range(5), lambda _ok: finished.set())
    gate.await_arrival()
    rig.cache.clear()
    gate.open()
    assert finished.wait(30)
    assert (len(rig.cache), rig.cache.unread_bytes, rig.fetcher.ahead_bytes) == (0, 0, 0)


# --- ahead -------------------------------------------------------------------------------------------


def test_a_prefetch_is_one_get_and_leaves_out_what_is_there_at_its_ends(rig: Rig) -> None:
    rig.read(range(1))
    assert prefetched(rig, range(10))
    assert rig.store.gets[1:] == [Get(PACK_KEY, rig.start + 1000, 9000)]
    assert not rig.fetcher.prefetch(range(10))
    assert rig.read(range(10)) == [FILES[b"%02d" % i] for i in range(10)]
    assert len(rig.store.gets) == 2


def test_a_prefetch_again_requests_all_of_a_run(rig: Rig) -> None:
    rig.read(range(2))
    assert prefetched(rig, range(10), again=True)
    assert rig.store.gets[1:] == [Get(PACK_KEY, rig.start, 10_000)]


def test_a_reader_who_comes_while_it_is_prefetched_waits_for_that(rig: Rig) -> None:
    gate = rig.store.before = Gate()
    rig.fetcher.prefetch(range(5))
    gate.await_arrival()
    assert rig.fetcher.ahead_bytes == 5000
    assert [rig.fetcher.is_here_or_coming(entry) for entry in (0, 4, 5)] == [True, True, False]
    pieces = rig.fetcher.demand(range(2, 4))
    gate.open()
    assert [value(piece) for piece in pieces] == [FILES[b"02"], FILES[b"03"]]
    assert len(rig.store.gets) == 1
    assert rig.values()["demand_waits"] == 2


def test_a_wider_request_serves_the_reader_and_keeps_the_rest(rig: Rig) -> None:
    (piece,) = rig.fetcher.demand(range(3, 4), widen=lambda _run: range(10))
    assert value(piece) == FILES[b"03"]
    assert rig.read(range(10)) == [FILES[b"%02d" % i] for i in range(10)]
    assert rig.store.gets == [Get(PACK_KEY, rig.start, 10_000)]


def test_going_on_in_an_entry_counts_once(rig: Rig) -> None:
    rig.read(range(1))
    for _ in range(5):
        rig.fetcher.demand(range(1), continued=True)
    rig.fetcher.demand(range(1))
    found = rig.values()
    assert (found["demand_misses"], found["demand_hits"]) == (1, 1)


# --- the end -----------------------------------------------------------------------------------------


def test_closing_tells_those_who_wait(rig: Rig) -> None:
    gate = rig.store.before = Gate()
    (piece,) = rig.fetcher.demand(range(1))
    gate.await_arrival()
    rig.fetcher.close()
    with pytest.raises(PondError, match="the mount is being closed"):
        value(piece)
    with pytest.raises(PondError, match="the mount is being closed"):
        rig.read(range(5, 6))
    gate.open()


def test_every_get_is_timed_and_counted(rig: Rig) -> None:
    rig.read(range(3))
    rig.read(range(5, 6))
    found = rig.values()
    assert (found["requests"], found["bytes_fetched"], found["fetch_seconds_count"]) == (2, 4000, 2)


# --- entries that are on their way --------------------------------------------------------------------


def test_what_a_reader_waits_for_is_not_unread_when_it_comes(rig: Rig) -> None:
    gate = rig.store.before = Gate()
    rig.fetcher.prefetch(range(5))
    gate.await_arrival()
    waiting = rig.fetcher.demand(range(2))
    gate.open()
    assert [value(piece) for piece in waiting] == [FILES[b"00"], FILES[b"01"]]
    wait_until(lambda: rig.fetcher.ahead_bytes == 0, "all five are here")
    assert rig.cache.unread_bytes == 3000
    assert rig.values()["prefetch_useful_bytes"] == 0  # they were not here in time


def test_what_was_passed_by_while_it_came_goes_first() -> None:
    rig = Rig(FILES, cache_bytes=3 * (1000 + ENTRY_OVERHEAD_BYTES))
    rig.read(range(1))
    gate = rig.store.before = Gate()
    waiting = rig.fetcher.demand(range(1, 2))
    gate.await_arrival()
    rig.fetcher.pass_by(1)
    gate.open()
    assert value(waiting[0]) == FILES[b"01"]
    rig.read(range(2, 3))
    rig.read(range(3, 4))
    kept = [entry for entry in range(4) if rig.manifest.digest(entry) in rig.cache]
    assert kept == [0, 2, 3]
    rig.fetcher.close()
