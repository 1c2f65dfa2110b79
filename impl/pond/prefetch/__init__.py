"""What to fetch before anybody asks for it."""

from enum import StrEnum

from pond.cache import Fetcher
from pond.prefetch._fill import Fill, fits
from pond.prefetch._policy import Blind, NoPrefetch, Prefetch
from pond.prefetch._sequential import Sequential

__all__ = ["Blind", "Fill", "NoPrefetch", "Prefetch", "PrefetchMode", "Sequential", "choose_prefetch"]


class PrefetchMode(StrEnum):
    """How a mount prefetches.

    ``auto`` is ``fill`` where the cache can hold the whole version, else ``sequential``.
    """

    AUTO = "auto"
    FILL = "fill"
    SEQUENTIAL = "sequential"
    NONE = "none"
    BLIND = "blind"


def choose_prefetch(mode: PrefetchMode, fetcher: Fetcher, chunk_bytes: int, readahead_bytes: int) -> Prefetch:
    """Return the policy that a mount asked for."""
    if mode is PrefetchMode.AUTO:
        mode = PrefetchMode.FILL if fits(fetcher) else PrefetchMode.SEQUENTIAL
    match mode:
        case PrefetchMode.FILL:
            return Fill(fetcher, chunk_bytes)
        case PrefetchMode.SEQUENTIAL:
            return Sequential(fetcher, chunk_bytes, readahead_bytes)
        case PrefetchMode.BLIND:
            return Blind(fetcher, chunk_bytes, readahead_bytes)
        case _:
            return NoPrefetch()
