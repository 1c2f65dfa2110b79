"""Cutting large buffers into pieces."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

__all__ = ["PIECE_BYTES", "Piece", "cut"]

PIECE_BYTES: Final = 1 << 16
"""Of a large buffer: what one changed byte costs on the disk."""

_BLOCK_BYTES = 1 << 20
_THREADED_BYTES = 1 << 24
_MOST_HELPERS = 8


class Piece(NamedTuple):
    """A part of a buffer and its BLAKE3 digest."""

    digest: bytes
    data: memoryview


@contextmanager
def cut(buffer: Buffer) -> Iterator[Iterator[Piece]]:
    """Cut a buffer every 64 KiB from its start, without a copy; an empty one has no pieces.

    Use it in a `with` statement. A large buffer is hashed by other threads while the caller does something with the
    pieces that it has. They are gone when the statement ends: neither threads nor BLAKE3's own pool may be left behind
    in a process that is to fork.

    Parameters
    ----------
    buffer
        C-contiguous bytes; must not change while the pieces are in use.
    """
    whole = memoryview(buffer).cast("B")
    blocks = [whole[start : start + _BLOCK_BYTES] for start in range(0, len(whole), _BLOCK_BYTES)]
    helpers = min(_MOST_HELPERS, _processors() - 1)
    if len(whole) < _THREADED_BYTES or helpers < 1:
        yield chain.from_iterable(map(_hashed, blocks))
        return
    with ThreadPoolExecutor(helpers) as pool:
        try:
            futures = [pool.submit(_hashed, block) for block in blocks]
            yield chain.from_iterable(_in_order(blocks, futures))
        finally:
            pool.shutdown(cancel_futures=True)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _hashed(block: memoryview) -> list[Piece]:
    parts = [block[start : start + PIECE_BYTES] for start in range(0, len(block), PIECE_BYTES)]
    return [Piece(blake3(part).digest(), part) for part in parts]


def _in_order(blocks: list[memoryview], futures: list[Future[list[Piece]]]) -> Iterator[list[Piece]]:
    """Yield the pieces of each block; rather than wait for one, hash another that no thread has begun."""
    own: dict[int, list[Piece]] = {}
    spare = iter(range(1, len(blocks)))
    for number, future in enumerate(futures):
        while number not in own and not future.done():
            other = next((each for each in spare if each > number and futures[each].cancel()), None)
            if other is None:
                break
            own[other] = _hashed(blocks[other])
        yield own.pop(number) if number in own else future.result()
