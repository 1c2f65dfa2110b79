"""Fetching a whole version in the background, when the cache can hold it."""

import functools
import threading

from pond.cache import ENTRY_OVERHEAD_BYTES, Fetcher
from pond.errors import CorruptData, NotFound, ObjectChanged
from pond.prefetch._policy import NoPrefetch
from pond.prefetch._streams import StreamTable

_GIVE_UP = 3
"""Failures in a row after which filling rests until the next read."""

_FINAL = (CorruptData, NotFound, ObjectChanged)
"""What is not asked for again: the version cannot change, so neither can this."""


def fits(fetcher: Fetcher) -> bool:
    """Say whether the cache can hold all entries of the version."""
    version = fetcher.version
    need = version.stored_bytes + version.manifest.entries * ENTRY_OVERHEAD_BYTES
    return need <= fetcher.cache.limit_bytes


class Fill(NoPrefetch):
    """Fetches what is missing of the version in pack order, in large concurrent GETs, from the first read on.

    Entries that readers have fetched meanwhile are left out: nothing is fetched twice. A sequential reader who still
    misses moves the cursor to where it is. A mount that nobody reads from fetches nothing.
    """

    def __init__(self, fetcher: Fetcher, chunk_bytes: int) -> None:
        self._fetcher = fetcher
        self._manifest = fetcher.version.manifest
        self._chunk_bytes = chunk_bytes
        self._streams = StreamTable(self._manifest, chunk_bytes, chunk_bytes)
        self._lock = threading.Lock()
        self._cursor = 0
        self._scanned = 0
        self._failures = 0
        self._lost: set[int] = set()
        self._running = 0
        self._full = False

    def on_read(self, node: int, entries: range, *, to_end: bool, missed: bool) -> None:
        """Start, go on after a failure, or move to a sequential reader that misses."""
        if self._full:
            return
        stream = self._streams.observe(node, entries, to_end=to_end)
        with self._lock:
            self._failures = 0
            if missed and stream.sequential and stream.crossed and self._is_open(stream.expected):
                self._cursor = stream.expected
                self._scanned = 0
        self._pump()

    def reset(self) -> None:
        """Begin again with the next read."""
        with self._lock:
            self._cursor = self._scanned = self._failures = 0
            self._lost.clear()
            self._full = False
        self._streams.clear()

    def _is_open(self, entry: int) -> bool:
        known = entry >= self._manifest.entries or entry in self._lost
        return not known and not self._fetcher.is_here_or_coming(entry)

    def _pump(self) -> None:
        """Keep as many GETs under way as there are threads for them."""
        with self._lock:
            while self._running < self._fetcher.prefetch_threads and self._failures < _GIVE_UP:
                run = self._next_run()
                if run is None:
                    self._full = self._running == 0
                    return
                done = functools.partial(self._done, run, self._fetcher.cache.generation)
                if self._fetcher.prefetch(run, done):
                    self._running += 1

    def _done(self, run: range, generation: int, error: Exception | None) -> None:
        with self._lock:
            self._running -= 1
            if isinstance(error, _FINAL):
                self._lost.update(entry for entry in run if self._is_open(entry))
            elif error is not None:
                self._failures += 1
                self._cursor, self._scanned = run[0], 0
            else:
                self._failures = 0
            if generation != self._fetcher.cache.generation:  # it came too late to be kept
                self._scanned = 0
        self._pump()

    def _next_run(self) -> range | None:
        """Return the next entries that are missing, end to end, at most a chunk; None after a full turn."""
        manifest, total = self._manifest, self._manifest.entries
        while self._scanned < total and not self._is_open(self._cursor):
            self._advance()
        if self._scanned >= total:
            return None
        start = self._cursor
        pack, offset, length = manifest.extent(start)
        end = offset + length
        self._advance()
        while self._cursor > start and self._is_open(self._cursor):
            following = manifest.extent(self._cursor)
            joined = following.pack == pack and following.offset == end
            if not joined or end + following.length - offset > self._chunk_bytes:
                break
            end += following.length
            self._advance()
        return range(start, self._cursor or total)

    def _advance(self) -> None:
        self._cursor = (self._cursor + 1) % self._manifest.entries
        self._scanned += 1
