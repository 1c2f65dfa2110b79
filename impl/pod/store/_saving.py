"""What a save keeps count of while it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pod.errors import StoreBusy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from pod.log import Log, Pieces, Transaction
    from pod.store._host import Sink


class Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now


class Said(NamedTuple):
    """What is kept with a version: a message; of a followed dict the cells that ran, and whether the last of them failed."""

    message: str | None
    cells: list[str]
    failed: bool


class Waits(NamedTuple):
    """Seconds that threads waited, each once: for a name that a save kept them from, and in a save for the one before it."""

    lock_s: list[float]
    join_s: list[float]


class Counted:
    """Remembers which pieces were new."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._new: set[bytes] = set()

    @property
    def tid(self) -> int:
        return self._sink.tid

    def put_all(self, pieces: Pieces) -> list[bytes]:
        new = self._sink.put_all(pieces)
        self._new.update(new)
        return new

    def is_new(self, streams: Sequence[bytes], blobs: Sequence[tuple[int, Sequence[bytes]]]) -> bool:
        """Say whether any of a pod's pieces was new."""
        return not self._new.isdisjoint(streams) or any(
            not self._new.isdisjoint(found) for _length, found in blobs
        )


class Spool:
    """Pieces that a thread writes later."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._generation = log.generation
        self._pieces: dict[bytes, bytes] = {}
        self.tid = max(log.tids(), default=0) + 1  # unless another process is faster

    def put(self, digest: bytes, parts: Sequence[Buffer]) -> bool:
        if digest in self._pieces or digest in self._log:
            return False
        self._pieces[digest] = b"".join(parts)
        return True

    def put_all(self, pieces: Pieces) -> list[bytes]:
        return [digest for digest, parts in pieces if self.put(digest, parts)]

    def drain(self, transaction: Transaction) -> None:
        if self._log.generation != self._generation:
            raise StoreBusy(
                f"{self._log.path}: another process collected what this save counted on; save again"
            )
        transaction.put_all((digest, [data]) for digest, data in self._pieces.items())
        self._pieces.clear()
