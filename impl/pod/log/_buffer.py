"""Memory for large pieces."""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress

__all__ = ["new_buffer"]

_MAPPED_BYTES = 1 << 22


def new_buffer(size_bytes: int) -> memoryview:
    """Return a writable buffer of zeros; a large one costs no more than the pages that are filled."""
    if size_bytes < _MAPPED_BYTES:
        return memoryview(bytearray(size_bytes))
    mapped = mmap.mmap(
        -1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    )  # private: a fork must not share it
    if sys.platform == "linux":
        with suppress(OSError):
            mapped.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapped)
