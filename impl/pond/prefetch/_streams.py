"""Telling sequential readers apart.

A data loader with four workers and batches of 64 reads four interleaved streams: each worker reads one batch in pack
order and then jumps behind the other three. A single cursor sees random access there. So every read is matched with
the stream that it continues; a reader that has continued twice is sequential, and so is one that begins close ahead of
a long stream (the next batch). Random access over n files continues one of k streams by chance once in n/k reads, and
twice in a row once in (n/k) squared: nothing is fetched ahead of it, and chance never makes a long stream.

Streams that follow one another closely are one scan by several readers: whoever comes to the end of its batch jumps to
where another one is heading. So each of them gets the readahead of all, and what one has fetched, no other fetches.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from pond.format import Manifest

MAX_STREAMS = 32
_CONFIRMED = 3
_LONG = 16
_RECENT = 64
"""A stream that none of so many reads went on with has come to its end."""


@dataclass(slots=True)
class Stream:
    """One reader's way through the packs.

    Attributes
    ----------
    expected : the entry that it reads next
    node : the file that it read last
    reads : entries that it has read in a row
    crossed : it went on from one file to the next
    ahead : up to where (exclusive) it is prefetched
    window_bytes : how far ahead it may be prefetched; doubles while the stream goes on
    seen : number of the read that went on with it last
    company : how many streams follow one another closely where this one is, it included
    """

    expected: int
    node: int
    reads: int
    crossed: bool
    ahead: int
    window_bytes: int
    seen: int = 0
    company: int = 1

    @property
    def sequential(self) -> bool:
        """Whether it has gone on often enough to be believed."""
        return self.reads >= _CONFIRMED


class StreamTable:
    """The streams seen lately, the longest unused forgotten first.

    Parameters
    ----------
    manifest
    first_window_bytes
        How far ahead a new stream may be prefetched.
    near_bytes
        A read this close ahead of a long stream begins another one that is believed at once.
    """

    def __init__(self, manifest: Manifest, first_window_bytes: int, near_bytes: int) -> None:
        self._manifest = manifest
        self._first_window_bytes = first_window_bytes
        self._near_bytes = near_bytes
        self._streams: OrderedDict[int, Stream] = OrderedDict()
        self._reads = 0

    def observe(self, node: int, entries: range, *, to_end: bool) -> Stream:
        """Return the stream that a read belongs to, moved on."""
        self._reads += 1
        stream = self._streams.pop(entries.start, None)
        if stream is None:
            behind = list(self._long_behind(entries.start))
            window_bytes = max((other.window_bytes for other in behind), default=self._first_window_bytes)
            stream = Stream(entries.start, node, 0, bool(behind), entries.start, window_bytes)
            if behind:
                stream.reads = _LONG
                stream.company = max(other.company for other in behind)
        elif stream.node != node:
            stream.crossed = True
            stream.node = node
        finished = len(entries) - (0 if to_end else 1)
        stream.reads += finished
        stream.expected = entries.start + finished
        stream.ahead = max(stream.ahead, stream.expected)
        stream.seen = self._reads
        self._streams[stream.expected] = stream
        if len(self._streams) > MAX_STREAMS:
            self._streams.popitem(last=False)
        return stream

    def company_of(self, stream: Stream) -> int:
        """Count the streams that follow one another closely where one is, it included."""
        recent = (s for s in self._streams.values() if s.sequential and s.seen > self._reads - _RECENT)
        positions = sorted({stream.expected, *(other.expected for other in recent)})
        at = positions.index(stream.expected)
        first = last = at
        while first > 0 and self._is_near(positions[first - 1], positions[first]):
            first -= 1
        while last + 1 < len(positions) and self._is_near(positions[last], positions[last + 1]):
            last += 1
        return last - first + 1

    def clear(self) -> None:
        """Forget all streams."""
        self._streams.clear()

    def _long_behind(self, entry: int) -> Iterator[Stream]:
        """Yield the long streams that are close behind an entry, or at it."""
        for stream in self._streams.values():
            is_long = stream.reads >= _LONG and stream.crossed
            if is_long and stream.expected <= entry and self._is_near(stream.expected, entry):
                yield stream

    def _is_near(self, before: int, entry: int) -> bool:
        if entry >= self._manifest.entries:
            return False
        there, here = self._manifest.extent(before), self._manifest.extent(entry)
        return there.pack == here.pack and here.offset - there.offset <= self._near_bytes
