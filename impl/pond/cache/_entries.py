"""The cache of entries: bounded in bytes, S3-FIFO, with drop-behind.

S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023) keeps new entries in a small queue
and promotes those that are read again; a ghost queue remembers the names of what the small queue threw out. It needs
no work on a hit but a counter, and a scan cannot flush what is read often. Three things differ from the paper:

* all sizes are bytes, of entries and queues alike;
* an entry that was fetched ahead counts its first demand read as its arrival, so that prefetching promotes nothing;
* an entry that a sequential reader has passed is *behind* and goes first, so that a scan makes room for itself.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from pond.metrics import Metrics

ENTRY_OVERHEAD_BYTES = 768
"""What an entry costs beside its bytes (objects, queue links, digest, its name in the ghost queue afterwards): counted
against the limit."""

_SMALL_SHARE = 0.1
_MAX_FREQUENCY = 3


@dataclass(slots=True)
class _Slot:
    data: bytes
    frequency: int = 0
    unread: bool = False  # fetched ahead, and nobody has asked for it yet

    @property
    def cost(self) -> int:
        return len(self.data) + ENTRY_OVERHEAD_BYTES


class _Queue(OrderedDict[bytes, _Slot]):
    """First in, first out, with the sum of its bytes."""

    cost = 0

    def push(self, key: bytes, slot: _Slot) -> None:
        self[key] = slot
        self.cost += slot.cost

    def take(self, key: bytes) -> _Slot:
        slot = self.pop(key)
        self.cost -= slot.cost
        return slot

    def oldest(self) -> tuple[bytes, _Slot]:
        key, slot = self.popitem(last=False)
        self.cost -= slot.cost
        return key, slot


class EntryCache:
    """Entries by digest, at most ``limit_bytes`` of them, ``ENTRY_OVERHEAD_BYTES`` an entry included.

    Safe to use from several threads.
    """

    def __init__(self, limit_bytes: int, metrics: Metrics) -> None:
        self.limit_bytes = limit_bytes
        self._metrics = metrics
        self._lock = threading.Lock()
        self._small = _Queue()
        self._main = _Queue()
        self._behind = _Queue()
        self._ghost: OrderedDict[bytes, int] = OrderedDict()
        self._ghost_bytes = 0
        self._home: dict[bytes, _Queue] = {}
        self._unread_bytes = 0
        self._generation = 0
        metrics.cache_limit_bytes.set(limit_bytes)
        metrics.cache_bytes.set_function(lambda: self.held_bytes)
        metrics.cache_entries.set_function(lambda: len(self))

    def __len__(self) -> int:
        return len(self._home)

    def __contains__(self, key: bytes) -> bool:
        return key in self._home

    @property
    def held_bytes(self) -> int:
        """Bytes held, overhead included; never more than ``limit_bytes``."""
        return self._small.cost + self._main.cost + self._behind.cost

    @property
    def unread_bytes(self) -> int:
        """Bytes that were fetched ahead and not read yet."""
        return self._unread_bytes

    @property
    def generation(self) -> int:
        """Goes up with every ``clear``: what was asked for before must not come in afterwards."""
        return self._generation

    def get(self, key: bytes, *, continued: bool = False) -> bytes | None:
        """Return an entry for a reader, or None; ``continued`` where the reader has had its beginning before."""
        with self._lock:
            home = self._home.get(key)
            if home is None:
                return None
            slot = home[key]
            if slot.unread:
                slot.unread = False
                self._unread_bytes -= len(slot.data)
                self._metrics.prefetch_useful_bytes.inc(len(slot.data))
            elif not continued:
                slot.frequency = min(_MAX_FREQUENCY, slot.frequency + 1)
                if home is self._behind:
                    self._move(key, self._small)
            return slot.data

    def put(self, key: bytes, data: bytes, *, ahead: bool, generation: int) -> bool:
        """Take in an entry; return False where it does not fit at all, or was asked for before a ``clear``.

        Parameters
        ----------
        ahead
            Nobody has asked for it yet.
        generation
            ``generation`` when it was asked for.
        """
        slot = _Slot(data, unread=ahead)
        with self._lock:
            if slot.cost > self.limit_bytes or generation != self._generation:
                return False
            if key in self._home:
                return True
            while self.held_bytes + slot.cost > self.limit_bytes:
                self._evict()
            home = self._small
            if key in self._ghost:
                self._ghost_bytes -= self._ghost.pop(key)
                home = self._main
            home.push(key, slot)
            self._home[key] = home
            if ahead:
                self._unread_bytes += len(data)
            return True

    def pass_by(self, key: bytes) -> None:
        """Say that a sequential reader has read an entry to its end: it is the first to go."""
        with self._lock:
            home = self._home.get(key)
            if home is self._small and home[key].frequency == 0:
                self._move(key, self._behind)

    def give_up(self, key: bytes) -> None:
        """Drop an entry that was fetched ahead, unless it has been read."""
        with self._lock:
            home = self._home.get(key)
            if home is not None and home[key].unread:
                self._drop(key, home.take(key))

    def clear(self) -> int:
        """Drop everything, and whatever is under way; return the bytes dropped."""
        with self._lock:
            dropped = self.held_bytes
            for queue in (self._small, self._main, self._behind):
                queue.clear()
                queue.cost = 0
            self._home.clear()
            self._ghost.clear()
            self._ghost_bytes = self._unread_bytes = 0
            self._generation += 1
            return dropped

    def _move(self, key: bytes, target: _Queue) -> None:
        target.push(key, self._home[key].take(key))
        self._home[key] = target

    def _evict(self) -> None:
        """Drop one entry, after as many promotions as it takes to find it."""
        while True:
            if self._behind:
                self._drop(*self._behind.oldest())
                return
            if self._small and (self._small.cost > self.limit_bytes * _SMALL_SHARE or not self._main):
                key, slot = self._small.oldest()
                if slot.frequency > 0:
                    slot.frequency = 0
                    self._main.push(key, slot)
                    self._home[key] = self._main
                    continue
                self._remember(key, slot.cost)
                self._drop(key, slot)
                return
            key, slot = self._main.oldest()
            if slot.frequency > 0:
                slot.frequency -= 1
                self._main.push(key, slot)
                continue
            self._drop(key, slot)
            return

    def _drop(self, key: bytes, slot: _Slot) -> None:
        del self._home[key]
        self._metrics.evicted_bytes.inc(len(slot.data))
        if slot.unread:
            self._unread_bytes -= len(slot.data)
            self._metrics.prefetch_wasted_bytes.inc(len(slot.data))

    def _remember(self, key: bytes, cost: int) -> None:
        self._ghost[key] = cost
        self._ghost_bytes += cost
        while self._ghost_bytes > self.limit_bytes:
            _, old = self._ghost.popitem(last=False)
            self._ghost_bytes -= old
