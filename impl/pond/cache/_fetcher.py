"""Getting entries from the store, each at most once at a time.

A GET covers a run: entries that follow each other in one pack. Whoever first wants an entry *claims* it, which makes
a future that everybody else waits for (single-flight). A body is checked entry by entry against the digests of the
version before anybody sees it; what fails is given to those who wait as an error, and never cached.

Demand and prefetch have threads of their own, so that a reader never queues behind a prefetch.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from blake3 import blake3

from pond.cache._entries import EntryCache
from pond.errors import CorruptData, PondError
from pond.metrics import Metrics
from pond.volume import Version, runs

_log = logging.getLogger(__name__)

DEMAND_THREADS = 64
MAX_RUN_BYTES = 32 << 20

Piece = bytes | Future[bytes]
"""An entry that is there, or on its way."""

Done = Callable[[Exception | None], None]
"""Told that a run has come, or why it has not."""

Widen = Callable[[range], range]
"""From the exact run that a reader needs to the one to request."""


class Fetcher:
    """Fetches the entries of one version into a cache.

    Parameters
    ----------
    version, cache, metrics
    prefetch_threads
        GETs ahead of any reader that may be under way at once.
    """

    def __init__(
        self, version: Version, cache: EntryCache, metrics: Metrics, *, prefetch_threads: int = 12
    ) -> None:
        self.version = version
        self.cache = cache
        self.metrics = metrics
        self.prefetch_threads = prefetch_threads
        self._manifest = version.manifest
        self._lock = threading.Lock()
        self._flights: dict[bytes, Future[bytes]] = {}
        self._wanted: set[bytes] = set()  # in flight, and a reader waits for it
        self._passed: set[bytes] = set()  # in flight, and a sequential reader will not come back to it
        self._ahead_bytes = 0
        self._demand_pool = ThreadPoolExecutor(DEMAND_THREADS, thread_name_prefix="pond-demand")
        self._ahead_pool = ThreadPoolExecutor(prefetch_threads, thread_name_prefix="pond-ahead")

    @property
    def ahead_bytes(self) -> int:
        """Bytes on their way that no reader had asked for when they were requested."""
        return self._ahead_bytes

    def is_here_or_coming(self, entry: int) -> bool:
        """Say whether an entry needs no request."""
        digest = self._manifest.digest(entry)
        return digest in self.cache or digest in self._flights

    def demand(self, entries: range, *, continued: bool = False, widen: Widen | None = None) -> list[Piece]:
        """Return the pieces that hold some entries, requesting what is not there.

        Parameters
        ----------
        entries
        continued
            The reader has had the beginning of the first entry before: count it once only.
        widen
            Says which run to request in place of the exact one.
        """
        pieces: list[Piece] = []
        missing: list[int] = []
        for entry in entries:
            digest = self._manifest.digest(entry)
            while True:
                data = self.cache.get(digest, continued=continued)
                if data is not None:
                    if not continued:
                        self.metrics.demand_hits.inc()
                    pieces.append(data)
                    break
                flight, mine = self._claim(digest, wanted=True)
                if flight is None:
                    continue  # it came in between
                if mine:
                    self.metrics.demand_misses.inc()
                    missing.append(entry)
                elif not continued:
                    self.metrics.demand_waits.inc()
                pieces.append(flight)
                break
            continued = False
        for run in _contiguous(missing):
            for part in runs(self._manifest, run, MAX_RUN_BYTES):
                wanted, claimed = part, set(part)
                if widen is not None:
                    wanted = widen(part)
                    claimed |= {entry for entry in wanted if self._claim(self._manifest.digest(entry))[1]}
                self._submit(self._demand_pool, wanted, claimed, ahead=False)
        return pieces

    def prefetch(self, run: range, done: Done = lambda _error: None, *, again: bool = False) -> bool:
        """Request a run ahead of any reader.

        Parameters
        ----------
        run
            Entries that follow each other in one pack.
        done
            Called in a fetching thread when they came, or with why they did not.
        again
            Request the whole run although parts of it are here.

        Returns
        -------
        bool
            False where nothing of the run was missing, and so nothing was requested.
        """
        claimed = {entry for entry in run if self._claim(self._manifest.digest(entry))[1]}
        if not claimed:
            return False
        wanted = run if again else range(min(claimed), max(claimed) + 1)
        self._submit(self._ahead_pool, wanted, claimed, ahead=True, done=done)
        return True

    def pass_by(self, entry: int) -> None:
        """Say that a sequential reader has read an entry to its end, or will have once it is here."""
        digest = self._manifest.digest(entry)
        with self._lock:
            if digest in self._flights:
                self._passed.add(digest)
                return
        self.cache.pass_by(digest)

    def _claim(self, digest: bytes, *, wanted: bool = False) -> tuple[Future[bytes] | None, bool]:
        """Return the future of an entry (None: it is here), and whether the caller must see to it."""
        with self._lock:
            if digest in self.cache:
                return None, False
            flight = self._flights.get(digest)
            mine = flight is None
            if flight is None:
                flight = self._flights[digest] = Future()
            if wanted:
                self._wanted.add(digest)
            return flight, mine

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        run: range,
        claimed: set[int],
        *,
        ahead: bool,
        done: Done = lambda _error: None,
    ) -> None:
        first, last = self._manifest.extent(run[0]), self._manifest.extent(run[-1])
        length = last.offset + last.length - first.offset
        if ahead:
            self.metrics.prefetch_bytes.inc(length)
            with self._lock:
                self._ahead_bytes += length
        generation = self.cache.generation

        def work() -> None:
            try:
                done(self._fetch(run, claimed, length, generation, ahead=ahead))
            finally:  # last, so that nothing seems settled while ``done`` asks for more
                if ahead:
                    with self._lock:
                        self._ahead_bytes -= length

        try:
            pool.submit(work)
        except RuntimeError:  # the pool is closed: the mount is going away
            self._fail(claimed, PondError("the mount is being closed"))
            if ahead:
                with self._lock:
                    self._ahead_bytes -= length

    def _fetch(
        self, run: range, claimed: set[int], length: int, generation: int, *, ahead: bool
    ) -> Exception | None:
        """GET a run, check it, and hand out its entries. Return what went wrong."""
        waiting = set(claimed)
        try:
            self._fetch_into(run, waiting, length, generation, ahead=ahead)
        except Exception as error:  # noqa: BLE001  (whatever it is, those who wait must be told)
            self.metrics.errors.inc()
            _log.warning("%s", error)
            self._fail(waiting, error)
            return error
        return None

    def _fetch_into(
        self, run: range, waiting: set[int], length: int, generation: int, *, ahead: bool
    ) -> None:
        manifest = self._manifest
        pack, start, _ = manifest.extent(run[0])
        began = time.perf_counter()
        body = memoryview(self.version.read(pack, start, length))
        self.metrics.fetch_seconds.observe(time.perf_counter() - began)
        self.metrics.requests.inc()
        self.metrics.bytes_fetched.inc(length)
        damaged: CorruptData | None = None
        for entry in sorted(waiting):
            _, offset, size = manifest.extent(entry)
            data = bytes(body[offset - start : offset - start + size])
            digest = manifest.digest(entry)
            if blake3(data).digest() == digest:
                with self._lock:  # whoever asks from here on finds it in the cache
                    unread = ahead and digest not in self._wanted
                    self.cache.put(digest, data, ahead=unread, generation=generation)
                self._land(digest, data)
                waiting.discard(entry)
            else:
                key = self.version.pack(pack).key
                damaged = CorruptData(f"{key}: {size} bytes at {offset} do not match their digest")
        if damaged is not None:
            raise damaged

    def _land(self, digest: bytes, outcome: bytes | Exception) -> None:
        with self._lock:
            flight = self._flights.pop(digest, None)
            self._wanted.discard(digest)
            passed = digest in self._passed
            self._passed.discard(digest)
        if passed:
            self.cache.pass_by(digest)
        if flight is None:
            return
        if isinstance(outcome, Exception):
            flight.set_exception(outcome)
        else:
            flight.set_result(outcome)

    def _fail(self, entries: set[int], error: Exception) -> None:
        for entry in entries:
            self._land(self._manifest.digest(entry), error)

    def close(self) -> None:
        """Start nothing more; whoever waits gets an error."""
        self._demand_pool.shutdown(wait=False, cancel_futures=True)
        self._ahead_pool.shutdown(wait=False, cancel_futures=True)
        for digest in list(self._flights):
            self._land(digest, PondError("the mount is being closed"))


def _contiguous(entries: list[int]) -> Iterator[range]:
    """Cut ascending numbers into runs without gaps."""
    start = 0
    for i in range(1, len(entries) + 1):
        if i == len(entries) or entries[i] != entries[i - 1] + 1:
            yield range(entries[start], entries[i - 1] + 1)
            start = i
