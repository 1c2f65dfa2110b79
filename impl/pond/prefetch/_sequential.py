"""Readahead for sequential readers, and nothing for others."""

from collections import OrderedDict
from collections.abc import Iterator

from pond.cache import Fetcher
from pond.format import Manifest
from pond.prefetch._policy import NoPrefetch
from pond.prefetch._streams import Stream, StreamTable
from pond.volume import runs

_NEAR_READAHEADS = 16
"""Streams so many readaheads apart are one scan: readers with batches of their own are often two batches apart."""

GAP_BYTES = 800 << 10
"""Neighbours are fetched with one GET when the gap between them costs less than a round trip: about 16 ms at 50 MiB/s."""


def merged(manifest: Manifest, entries: list[int], gap_bytes: int) -> Iterator[range]:
    """Join ascending entries of one pack to runs, over gaps of at most ``gap_bytes``."""
    start = previous = entries[0]
    for entry in entries[1:]:
        before, here = manifest.extent(previous), manifest.extent(entry)
        if here.offset - before.offset - before.length > gap_bytes:
            yield range(start, previous + 1)
            start = entry
        previous = entry
    yield range(start, previous + 1)


class Sequential(NoPrefetch):
    """Fetches ahead of every sequential stream, within a budget of unread bytes, and drops behind it.

    Parameters
    ----------
    fetcher
    chunk_bytes
        Size of a GET; in a scan by several readers, so much for each of them, up to ``readahead_bytes``.
    readahead_bytes
        How far ahead of a stream; in a scan by several readers, so far for each of them.
    """

    def __init__(self, fetcher: Fetcher, chunk_bytes: int, readahead_bytes: int) -> None:
        self._fetcher = fetcher
        self._manifest = fetcher.version.manifest
        self._chunk_bytes = chunk_bytes
        self._readahead_bytes = max(readahead_bytes, chunk_bytes)
        self._budget_bytes = fetcher.cache.limit_bytes // 2
        self._largest_get_bytes = min(self._readahead_bytes, self._budget_bytes // 8)
        near_bytes = min(_NEAR_READAHEADS * self._readahead_bytes, self._budget_bytes // 2)
        self._streams = StreamTable(self._manifest, chunk_bytes, near_bytes)
        self._consumed: OrderedDict[int, None] = OrderedDict()
        self._consumed_bytes = 0

    def on_read(self, node: int, entries: range, *, to_end: bool, missed: bool) -> None:
        """Follow the reader, and top up what is ahead of it."""
        stream = self._streams.observe(node, entries, to_end=to_end)
        if missed and stream.sequential and entries.start in self._consumed:
            self._read_again(stream, entries.start)
        for entry in entries if to_end else entries[:-1]:
            self._consume(entry, behind=stream.sequential)
        if stream.sequential:
            self._top_up(stream)

    def reset(self) -> None:
        """Forget what was seen."""
        self._streams.clear()
        self._consumed.clear()
        self._consumed_bytes = 0

    def _consume(self, entry: int, *, behind: bool) -> None:
        """Remember what was read lately, as many bytes as the cache has: it is not fetched ahead again."""
        if behind:
            self._fetcher.pass_by(entry)
        if entry not in self._consumed:
            self._consumed[entry] = None
            self._consumed_bytes += self._manifest.entry_length[entry]
        while self._consumed_bytes > self._fetcher.cache.limit_bytes:
            oldest, _ = self._consumed.popitem(last=False)
            self._consumed_bytes -= self._manifest.entry_length[oldest]

    def _read_again(self, stream: Stream, first: int) -> None:
        """Let what lies ahead of a reader be fetched again: it reads what another has read, and it is gone."""
        length = 0
        for entry in range(first, self._manifest.entries):
            if entry not in self._consumed or length > stream.window_bytes:
                break
            del self._consumed[entry]
            length += self._manifest.entry_length[entry]
        self._consumed_bytes -= length
        stream.ahead = stream.expected

    @property
    def _is_over_budget(self) -> bool:
        return self._fetcher.ahead_bytes + self._fetcher.cache.unread_bytes > self._budget_bytes

    def _give_up_abandoned(self) -> None:
        """Drop what was fetched ahead of readers that have stopped: it holds the budget, and nobody will read it."""
        for stream in self._streams.abandoned():
            for entry in range(stream.expected, stream.ahead):
                self._fetcher.cache.give_up(self._manifest.digest(entry))
            stream.ahead = stream.expected

    def _top_up(self, stream: Stream) -> None:
        """Request what is missing between the stream and the end of its window, in whole GETs."""
        manifest, fetcher = self._manifest, self._fetcher
        # a reader that never left one file gets that file's rest only
        end = manifest.entries if stream.crossed else manifest.file_entries(stream.node).stop
        ahead, ahead_bytes = stream.ahead, sum(manifest.entry_length[stream.expected : stream.ahead])
        while ahead < end and ahead_bytes < stream.window_bytes and self._is_provided(ahead):
            ahead_bytes += manifest.entry_length[ahead]
            ahead += 1
        stream.ahead = ahead
        get_bytes = max(self._chunk_bytes, min(stream.company * self._chunk_bytes, self._largest_get_bytes))
        if ahead_bytes > max(stream.window_bytes - get_bytes, get_bytes // 2):
            return
        if self._is_over_budget:
            if ahead_bytes < get_bytes:
                self._give_up_abandoned()
            return
        stop = ahead
        while stop < end and ahead_bytes < stream.window_bytes and stop not in self._consumed:
            ahead_bytes += manifest.entry_length[stop]
            stop += 1
        parts = list(runs(manifest, range(ahead, stop), get_bytes))
        if not parts:
            return
        if len(parts) > 1 and stop < end and stop not in self._consumed:
            parts.pop()  # what is left over makes a whole GET the next time
        for part in parts:
            missing = [entry for entry in part if not fetcher.is_here_or_coming(entry)]
            if missing:
                if self._is_over_budget:
                    return
                for run in merged(manifest, missing, GAP_BYTES):
                    fetcher.prefetch(run, again=True)
            stream.ahead = part.stop
        stream.company = self._streams.company_of(stream)
        stream.window_bytes = min(stream.company * self._readahead_bytes, 2 * stream.window_bytes)

    def _is_provided(self, entry: int) -> bool:
        """Say whether another stream has seen to an entry, so that a whole GET begins behind it."""
        return entry not in self._consumed and self._fetcher.is_here_or_coming(entry)
