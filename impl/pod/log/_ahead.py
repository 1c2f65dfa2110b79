"""Reading ahead: small pieces are asked for together with those that were committed after them.

A load asks for one pod after the other, mostly in the order of their commit, and a round trip costs as much as 100 KiB. So
a piece that is not at hand comes with those behind it, the more the longer this has been of use.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pod.log._catalogue import Catalogue

    Fetch: TypeAlias = Callable[[Sequence[bytes]], Sequence[bytes | None]]
    """Returns pieces, each of one row; None for one that is not there, or not as long as it should be."""

__all__ = ["AHEAD_BYTES", "ReadAhead"]

AHEAD_BYTES: Final = 1 << 16
"""Of a piece, at most."""
_LEAST_BYTES: Final = 1 << 14
_MOST_BYTES: Final = 1 << 20
_MOST_PIECES: Final = 1 << 11
_NEAR: Final = 16
"""So many pieces may lie between what was read ahead and what is asked for next."""
_HELD_BYTES: Final = 1 << 23


class ReadAhead:
    """Small pieces that were read, 8 MiB of them, and what to read with one more."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._held: dict[bytes, bytes] = {}
        self._held_bytes = 0
        self._window_bytes = _LEAST_BYTES
        self._next = 0

    def read(self, catalogue: Catalogue, digest: bytes, fetch: Fetch) -> bytes | None:
        """Return a piece of at most `AHEAD_BYTES`, which the catalogue has."""
        data = self._held.get(digest)
        if data is None:
            wanted = self._run(catalogue, digest)
            found = fetch(wanted)
            data = found[0]
            with self._guard:
                for each, held in zip(wanted, found, strict=True):
                    if held is not None and each not in self._held:
                        self._held[each] = held
                        self._held_bytes += len(held)
                while self._held_bytes > _HELD_BYTES:
                    self._held_bytes -= len(self._held.pop(next(iter(self._held))))
        return data

    def _run(self, catalogue: Catalogue, digest: bytes) -> list[bytes]:
        """Return the piece and those to read with it."""
        first = catalogue.places[digest].number
        follows = self._next <= first < self._next + _NEAR
        self._window_bytes = min(2 * self._window_bytes, _MOST_BYTES) if follows else _LEAST_BYTES
        wanted, size = [digest], catalogue.places[digest].size_bytes
        at = first + 1
        for at in range(first + 1, min(first + _MOST_PIECES, len(catalogue.order))):
            each = catalogue.order[at]
            each_bytes = catalogue.places[each].size_bytes
            if size + each_bytes > self._window_bytes:
                break
            if each not in self._held:
                wanted.append(each)
                size += each_bytes
        self._next = at
        return wanted
