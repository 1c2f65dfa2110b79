"""The backend of a store that lives in memory, for as long as the process."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from pod.errors import Corrupt, NotAStore, StoreBusy, StoreUnavailable
from pod.format import digest_of
from pod.log._backend import BackendStats, Damage, Pieces, Progress, flat
from pod.log._turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["MemoryBackend"]


@dataclass(slots=True)
class _Generation:
    """Entries and pieces that only become more."""

    number: int
    entries: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Place:
    """What all backends of one name share."""

    newest: _Generation
    turn: Turn = field(default_factory=Turn)
    process: int = field(default_factory=os.getpid)


_places: Final[dict[str, _Place]] = {}
_making: Final = Lock()


class MemoryBackend:
    """Pieces and entries in memory, shared by all backends of one name in this process.

    Nothing of it is durable: it ends with the process. A forked process has a copy, which it may read; saving there is
    refused, for nobody else would ever see it.

    Parameters
    ----------
    name
        All letters are allowed.

    Raises
    ------
    NotAStore
        There is none of that name, and `create` is not set.
    """

    is_shared_across_forks = False
    batch_bytes = 0
    is_damaged = False

    def __init__(self, name: str, *, create: bool = True) -> None:
        self._label = f"memory://{name}"
        with _making:
            if name not in _places and not create:
                raise NotAStore(f"{self._label}: this process has no such store; open it in Python first")
            self._place = _places.setdefault(name, _Place(_Generation(1)))
        self._seen = self._place.newest
        self._token = object()
        self._new: dict[bytes, bytes] | None = None

    def __repr__(self) -> str:
        return f"<MemoryBackend {self._label}>"

    @property
    def generation(self) -> int:
        """Grows whenever entries other than the newest change."""
        return self._seen.number

    def refresh(self) -> None:
        """Take in a collection by another backend of this name; other commits are seen at once."""
        self._seen = self._place.newest

    def heads(self) -> Sequence[bytes]:
        """Return the heads of all entries, oldest first."""
        return [head for head, _ in list(self._seen.entries)]

    def body(self, number: int) -> bytes:
        """Return the body of an entry."""
        return self._seen.entries[number][1]

    def digests(self) -> Iterator[bytes]:
        """Yield the digests of all pieces, in the order of their commits."""
        yield from list(self._seen.pieces)

    def size(self, digest: bytes) -> int | None:
        """Return the length of a piece; None: there is none."""
        data = self._seen.pieces.get(digest)
        return None if data is None else len(data)

    def read(self, digest: bytes) -> bytes:
        """Return a piece."""
        data = self._seen.pieces.get(digest)
        if data is None:
            raise Corrupt(
                f"{self._label}: piece {digest.hex()[:16]} is missing; run: pod verify {self._label}"
            )
        return data

    def read_through(self, digests: Sequence[bytes]) -> Iterator[memoryview]:
        """Yield pieces in the order asked for, without a copy."""
        for digest in digests:
            yield memoryview(self.read(digest))

    def read_into(self, pieces: Sequence[tuple[bytes, memoryview]]) -> None:
        """Copy each piece into the buffer beside it."""
        for digest, buffer in pieces:
            buffer[:] = self.read(digest)

    # --- writing -----------------------------------------------------------------------------------------

    def begin(self, token: object, timeout_s: float) -> None:
        """Become the only writer, and refresh; ends with `commit`, `keep` or `roll_back`."""
        if os.getpid() != self._place.process:
            raise StoreUnavailable(
                f"{self._label}: it lies in the memory of process {self._place.process}, and a forked process cannot"
                " save there; save from that process, or use a store in a folder"
            )
        if not self._place.turn.take(token, timeout_s):
            raise StoreBusy(f"{self._label}: another thread has been writing for {timeout_s:g} s; try again")
        self._token, self._new = token, {}
        self.refresh()

    def append(self, pieces: Pieces) -> int:
        """Add copies of pieces to the transaction; return their bytes."""
        new, added = self._running(), 0
        for digest, parts in pieces:
            new[digest] = data = b"".join(flat(parts))
            added += len(data)
        return added

    def commit(self, head: bytes, body: bytes) -> int:
        """Add the entry and the pieces in one step, and end the transaction; return the bytes that takes."""
        new, seen = self._running(), self._seen
        seen.pieces.update(new)
        seen.entries.append((head, body))
        self.roll_back(self._token)
        return sum(map(len, new.values())) + len(head) + len(body)

    def keep(self, entries: Sequence[tuple[bytes, bytes]], pieces: Pieces) -> None:
        """Put these entries and pieces in place of all others, and end the transaction."""
        self._running()
        kept = {digest: b"".join(flat(parts)) for digest, parts in pieces}
        self._place.newest = _Generation(self._seen.number + 1, list(entries), kept)
        self.refresh()
        self.roll_back(self._token)

    def roll_back(self, token: object) -> None:
        """End the transaction that this token began, if it is running; what it appended is gone."""
        if self._place.turn.is_of(token):
            self._new = None
            self._place.turn.give_back(token)

    def _running(self) -> dict[bytes, bytes]:
        if self._new is None:
            raise RuntimeError("no transaction has begun, or it has ended")
        return self._new

    # --- looking after it --------------------------------------------------------------------------------

    def verify(self, progress: Progress | None = None) -> list[Damage]:
        """Read every byte, and return what is damaged: memory that something wrote to past Python."""
        self.refresh()
        pieces = dict(self._seen.pieces)
        found, done = [], sum(len(body) for _, body in self._seen.entries)
        total = done + sum(map(len, pieces.values()))
        for digest, data in pieces.items():
            if digest_of(data) != digest:
                found.append(Damage(self._label, 0, "a piece does not match its digest", digest=digest))
            done += len(data)
            if progress is not None:
                progress(done, total)
        return found

    def stats(self) -> BackendStats:
        """Return how much it holds."""
        seen = self._seen
        held = sum(len(head) + len(body) for head, body in seen.entries) + sum(map(len, seen.pieces.values()))
        return BackendStats(held, 0, len(seen.pieces), len(seen.entries), seen.number)

    def settle(self) -> None:
        """Do nothing: it is open already."""

    def close(self) -> None:
        """Do nothing: the store lives as long as the process."""
