"""Telling sequential readers apart.

A data loader with four workers and batches of 64 reads four interleaved streams: each worker reads one batch in pack
order and then jumps behind the other three. A single cursor sees random access there. So every read is matched with
the stream that it continues; a reader that has continued twice is sequential, and so is one that begins close ahead of
a long stream (the next batch). Random access over n files continues one of k streams by chance once in n/k reads, and
twice in a row once in (n/k) squared: nothing is fetched ahead of it, and chance never makes a long stream.
"""

from collections import OrderedDict
from dataclasses import dataclass

from pond.format import Manifest

MAX_STREAMS = 32
_CONFIRMED = 3
_LONG = 16


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
    """

    expected: int
    node: int
    reads: int
    crossed: bool
    ahead: int
    window_bytes: int

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

    def observe(self, node: int, entries: range, *, to_end: bool) -> Stream:
        """Return the stream that a read belongs to, moved on."""
        stream = self._streams.pop(entries.start, None)
        if stream is None:
            near = self._is_near_long(entries.start)
            stream = Stream(entries.start, node, 0, near, entries.start, self._first_window_bytes)
            stream.reads = _CONFIRMED - 1 if near else 0
        elif stream.node != node:
            stream.crossed = True
            stream.node = node
        finished = len(entries) - (0 if to_end else 1)
        stream.reads += finished
        stream.expected = entries.start + finished
        stream.ahead = max(stream.ahead, stream.expected)
        self._streams[stream.expected] = stream
        if len(self._streams) > MAX_STREAMS:
            self._streams.popitem(last=False)
        return stream

    def clear(self) -> None:
        """Forget all streams."""
        self._streams.clear()

    def _is_near_long(self, entry: int) -> bool:
        here = self._manifest.extent(entry)
        for stream in self._streams.values():
            if stream.reads < _LONG or not stream.crossed or stream.expected >= self._manifest.entries:
                continue
            there = self._manifest.extent(stream.expected)
            if there.pack == here.pack and 0 <= here.offset - there.offset <= self._near_bytes:
                return True
        return False
