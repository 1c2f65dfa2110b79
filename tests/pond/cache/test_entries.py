"""The cache of entries, against a model that knows what may be there but not what must go."""

from __future__ import annotations

import gc
import tracemalloc
from random import Random

import pytest
from blake3 import blake3
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from pond.cache import ENTRY_OVERHEAD_BYTES, EntryCache
from pond.metrics import Metrics, parse_metrics

COST = 600 + ENTRY_OVERHEAD_BYTES
"""Of an entry of the size that `put` gives."""


def key_of(number: int) -> bytes:
    return blake3(number.to_bytes(8, "little")).digest()


def make_cache(limit_bytes: int) -> EntryCache:
    return EntryCache(limit_bytes, Metrics())


def put(cache: EntryCache, number: int, size: int = 600, *, ahead: bool = False) -> bool:
    return cache.put(key_of(number), bytes(size), ahead=ahead, generation=cache.generation)


def held(cache: EntryCache, numbers: range) -> list[int]:
    return [number for number in numbers if key_of(number) in cache]


class CacheMachine(RuleBasedStateMachine):
    """Whatever is done: within its limit, nothing but what was put, and the sums are right."""

    keys = Bundle("keys")

    @initialize(limit_bytes=st.integers(500, 50_000))
    def start(self, limit_bytes: int) -> None:
        self.limit = limit_bytes
        self.cache = make_cache(limit_bytes)
        self.known: dict[bytes, bytes] = {}
        self.unread: set[bytes] = set()
        self.old_generations: list[int] = []

    @rule(target=keys, number=st.integers(0, 60))
    def name(self, number: int) -> bytes:
        return key_of(number)

    @rule(key=keys, size=st.sampled_from([0, 1, 100, 900, 6000, 49_400]), ahead=st.booleans())
    def put(self, key: bytes, size: int, ahead: bool) -> None:
        data = self.known.setdefault(key, key[:1] * size)  # a digest stands for one content
        was_there = key in self.cache
        taken = self.cache.put(key, data, ahead=ahead, generation=self.cache.generation)
        assert taken == (len(data) + ENTRY_OVERHEAD_BYTES <= self.limit)
        assert (key in self.cache) == taken
        if taken:
            if ahead and not was_there:
                self.unread.add(key)
            elif not was_there:
                self.unread.discard(key)

    @rule(key=keys, continued=st.booleans())
    def get(self, key: bytes, continued: bool) -> None:
        was_there = key in self.cache
        found = self.cache.get(key, continued=continued)
        assert found == (self.known[key] if was_there else None)
        self.unread.discard(key)

    @rule(key=keys)
    def pass_by(self, key: bytes) -> None:
        was_there = key in self.cache
        self.cache.pass_by(key)
        assert (key in self.cache) == was_there

    @rule()
    def clear(self) -> None:
        before = self.cache.held_bytes
        self.old_generations.append(self.cache.generation)
        assert self.cache.clear() == before
        assert (self.cache.held_bytes, len(self.cache)) == (0, 0)
        self.unread.clear()

    @rule(key=consumes(keys), size=st.integers(0, 100))
    def put_what_was_asked_for_before_a_clear(self, key: bytes, size: int) -> None:
        was_there = key in self.cache
        for generation in self.old_generations:
            assert not self.cache.put(key, bytes(size), ahead=True, generation=generation)
        assert (key in self.cache) == was_there

    @rule(target=keys)
    def again(self) -> object:
        return multiple(*[key for key in self.known if key in self.cache])

    @invariant()
    def the_sums_are_right(self) -> None:
        present = [key for key in self.known if key in self.cache]
        assert len(self.cache) == len(present)
        cost = sum(len(self.known[key]) + ENTRY_OVERHEAD_BYTES for key in present)
        assert self.cache.held_bytes == cost <= self.limit
        self.unread &= set(present)
        assert self.cache.unread_bytes == sum(len(self.known[key]) for key in self.unread)


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


# --- bounds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 100, 10_000, 1 << 20])
def test_memory_is_bounded_in_bytes_whatever_the_sizes_of_the_entries(size: int) -> None:
    limit = 8 << 20
    rounds = 4 * limit // (size + ENTRY_OVERHEAD_BYTES)
    cache = make_cache(limit)
    random = Random(1)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(rounds):
            cache.put(key_of(number), random.randbytes(size), ahead=number % 3 == 0, generation=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert cache.held_bytes <= limit
    assert peak <= 1.05 * limit + 2 * size


def test_an_entry_that_is_larger_than_the_cache_is_not_taken_and_nothing_goes_for_it() -> None:
    cache = make_cache(10_000)
    put(cache, 1)
    assert not put(cache, 2, size=10_000 - ENTRY_OVERHEAD_BYTES + 1)
    assert held(cache, range(3)) == [1]
    assert put(cache, 2, size=10_000 - ENTRY_OVERHEAD_BYTES)
    assert held(cache, range(3)) == [2]


# --- what goes first ---------------------------------------------------------------------------------


def test_a_scan_does_not_flush_what_is_read_often() -> None:
    cache = make_cache(100 * COST)
    often = range(40)
    for number in often:
        put(cache, number)
    for _ in range(2):
        for number in often:
            cache.get(key_of(number))
    for number in range(1000, 2000):
        put(cache, number)
    assert held(cache, often) == list(often)


def test_a_scan_that_is_prefetched_and_read_once_does_not_flush_either() -> None:
    cache = make_cache(100 * COST)
    often = range(40)
    for number in often:
        put(cache, number)
        cache.get(key_of(number))
        cache.get(key_of(number))
    for number in range(1000, 2000):
        put(cache, number, ahead=True)
        cache.get(key_of(number))
    assert held(cache, often) == list(often)


def test_what_a_sequential_reader_has_passed_goes_first() -> None:
    cache = make_cache(10 * COST)
    for number in range(10):
        put(cache, number)
    for number in (7, 3):
        cache.pass_by(key_of(number))
    put(cache, 10)
    assert 7 not in held(cache, range(11))
    put(cache, 11)
    assert held(cache, range(12)) == [0, 1, 2, 4, 5, 6, 8, 9, 10, 11]


def test_what_was_passed_and_is_read_again_is_not_behind_any_more() -> None:
    cache = make_cache(10 * COST)
    for number in range(10):
        put(cache, number)
    cache.pass_by(key_of(7))
    cache.get(key_of(7))
    put(cache, 10)
    assert held(cache, range(11)) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_what_comes_back_soon_after_it_was_thrown_out_is_kept_longer() -> None:
    cache = make_cache(10 * COST)
    for number in range(11):
        put(cache, number)
    assert held(cache, range(11)) == list(range(1, 11))
    put(cache, 0)  # its name is remembered
    for number in range(100, 105):
        put(cache, number)
    assert 0 in held(cache, range(11))


# --- counting ----------------------------------------------------------------------------------------


def values(cache_metrics: Metrics) -> dict[str, float]:
    return parse_metrics(cache_metrics.render().decode())


def test_prefetched_bytes_are_useful_when_read_and_wasted_when_thrown_out_unread() -> None:
    metrics = Metrics()
    cache = EntryCache(10 * COST, metrics)
    for number in range(10):
        put(cache, number, ahead=True)
    assert cache.unread_bytes == 6000
    cache.get(key_of(9))
    cache.get(key_of(9))
    assert cache.unread_bytes == 5400
    for number in range(10, 14):
        put(cache, number)
    assert cache.unread_bytes == 5400 - 4 * 600
    found = values(metrics)
    assert (found["cache_bytes"], found["cache_entries"]) == (cache.held_bytes, len(cache)) == (10 * COST, 10)
    assert (found["prefetch_useful_bytes"], found["prefetch_wasted_bytes"]) == (600, 2400)
    assert found["evicted_bytes"] == 2400


def test_a_reader_who_begins_in_the_middle_of_an_entry_has_read_it() -> None:
    cache = make_cache(10_000)
    put(cache, 1, ahead=True)
    assert cache.get(key_of(1), continued=True) is not None
    assert cache.unread_bytes == 0


def test_going_on_in_an_entry_is_not_reading_it_again() -> None:
    cache = make_cache(10 * COST)
    for number in range(10):
        put(cache, number)
    for _ in range(8):
        cache.get(key_of(0), continued=True)
    put(cache, 10)
    assert held(cache, range(1)) == []
