"""Telling sequential readers apart.

A data loader with four workers and batches of 64 reads four interleaved streams: each worker reads one batch in pack
order and then jumps behind the other three. A single cursor sees random access there. So every read is matched with
the stream that it continues; a reader that has continued twice is sequential, and so is one that begins close ahead of
several long streams (one's next batch). Random access over n files continues one of k streams by chance once in n/k
reads, and twice in a row once in (n/k) squared: nothing is fetched ahead of it, and chance never makes a long stream.

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
_SEVERAL = 2
_RECENT = 64
"""A stream that none of so many reads went on with has come to its end, or rests."""
_GONE = 4 * _RECENT
"""A stream that none of so many reads went on with is not coming back."""


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
        A read this close ahead of several long streams begins another one that is believed at once.
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
            stream = Stream(entries.start, node, 0, False, entries.start, self._first_window_bytes)
            if len(list(self._long_behind(entries.start))) >= _SEVERAL:  # the next batch of one of them
                stream.reads, stream.crossed = _CONFIRMED, True
                self._join(stream)
        else:
            if stream.node != node:
                stream.crossed = True
                stream.node = node
            if stream.crossed and stream.reads < _LONG:
                self._join(stream)
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
        positions = sorted({stream.expected, *(other.expected for other in self._live())})
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

    def abandoned(self) -> Iterator[Stream]:
        """Yield the streams that are gone, with something ahead of them that no other is heading for."""
        heading = [stream.expected for stream in self._live()]
        for stream in self._streams.values():
            if stream.ahead == stream.expected or stream.seen > self._reads - _GONE:
                continue
            inside = range(stream.expected, stream.ahead)
            if not any(at in inside or self._is_near(at, stream.expected) for at in heading):
                yield stream

    def _join(self, stream: Stream) -> None:
        """Give a stream what the long ones close behind it have: they read one scan."""
        for other in self._long_behind(stream.expected):
            stream.window_bytes = max(stream.window_bytes, other.window_bytes)
            stream.company = max(stream.company, other.company)

    def _live(self) -> Iterator[Stream]:
        seen = self._reads - _RECENT
        return (stream for stream in self._streams.values() if stream.sequential and stream.seen > seen)

    def _long_behind(self, entry: int) -> Iterator[Stream]:
        """Yield the long streams that are close behind an entry, or at it."""
        for stream in self._live():
            if stream.reads >= _LONG and stream.crossed and self._is_near(stream.expected, entry):
                yield stream

    def _is_near(self, before: int, entry: int) -> bool:
        """Say whether an entry lies close ahead of another, or is the same."""
        if not before <= entry < self._manifest.entries:
            return False
        there, here = self._manifest.extent(before), self._manifest.extent(entry)
        return there.pack == here.pack and here.offset - there.offset <= self._near_bytes
