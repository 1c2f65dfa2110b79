"""What a prefetch policy is, and the two that do least."""

from typing import Protocol

from pond.cache import Fetcher


class Prefetch(Protocol):
    """Sees every read and decides what to fetch ahead of the next.

    ``on_read`` is called from one thread and must not block.
    """

    serial: bool
    """Serve one request at a time."""

    def widen(self, run: range) -> range:
        """Return the run to request for a reader who misses ``run``."""
        ...

    def on_read(self, node: int, entries: range, *, to_end: bool, missed: bool) -> None:
        """Note that a reader asked for entries of a file.

        Parameters
        ----------
        node
            The file.
        entries
            Those that the read touched.
        to_end
            It reached the end of the last one.
        missed
            It had to wait.
        """
        ...

    def reset(self) -> None:
        """Forget what was seen: the cache was cleared."""
        ...


class NoPrefetch:
    """Exact extents, and nothing ahead."""

    serial = False

    def widen(self, run: range) -> range:
        """Return the run as it is."""
        return run

    def on_read(self, node: int, entries: range, *, to_end: bool, missed: bool) -> None:
        """Do nothing."""

    def reset(self) -> None:
        """Do nothing."""


class Blind(NoPrefetch):
    """A control: what the published Pond does, and what it costs.

    A miss fetches the whole chunk around it, every read is followed by a readahead of the next ``readahead_bytes`` of
    the pack whatever the access pattern is, and requests are served one at a time. Nothing uses it by default.

    A chunk here is the run of entries that begin in one ``chunk_bytes`` piece of a pack.
    """

    serial = True

    def __init__(self, fetcher: Fetcher, chunk_bytes: int, readahead_bytes: int) -> None:
        self._fetcher = fetcher
        self._manifest = fetcher.version.manifest
        self._chunk_bytes = chunk_bytes
        self._chunks_ahead = max(1, readahead_bytes // chunk_bytes)

    def widen(self, run: range) -> range:
        """Return the chunk, or chunks, that hold the run."""
        return range(self._chunk(run[0]).start, self._chunk(run[-1]).stop)

    def on_read(self, node: int, entries: range, *, to_end: bool, missed: bool) -> None:
        """Fetch the chunks that follow, whole."""
        following = self._chunk(entries[-1]).stop
        for _ in range(self._chunks_ahead):
            if following >= self._manifest.entries:
                return
            chunk = self._chunk(following)
            self._fetcher.prefetch(chunk, again=True)
            following = chunk.stop

    def _chunk(self, entry: int) -> range:
        pack, offset, _ = self._manifest.extent(entry)
        number = offset // self._chunk_bytes

        def inside(other: int) -> bool:
            found = self._manifest.extent(other)
            return found.pack == pack and found.offset // self._chunk_bytes == number

        first = last = entry
        while first > 0 and inside(first - 1):
            first -= 1
        while last + 1 < self._manifest.entries and inside(last + 1):
            last += 1
        return range(first, last + 1)
