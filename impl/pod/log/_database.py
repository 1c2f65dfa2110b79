"""What the backends of databases have in common.

A database holds **rows**, the parts of pieces (at most `PART_BYTES` each, for servers bound the size of a value and hold
several copies of one while they handle it), and **entries**, each with a head, a body and its contents (`_catalogue`).
The client keeps the catalogue of all entries in memory, 200 bytes or so for a piece, so that a save asks nobody whether
a piece is known; every other thing is asked for in batches.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING

from pod.errors import Corrupt, PodError, StoreBusy, StoreUnavailable
from pod.format import digest_of
from pod.log import _rows
from pod.log._ahead import AHEAD_BYTES, ReadAhead
from pod.log._backend import BackendStats, Damage, Pieces, Progress
from pod.log._buffer import new_buffer
from pod.log._catalogue import Catalogue, pack_contents
from pod.log._rows import Row, batches, cut, parts_of
from pod.log._turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

__all__ = ["DatabaseBackend"]


@dataclass(slots=True)
class _Transaction:
    """What was appended: what was not sent yet, and the pieces that are whole."""

    token: object
    where: bytes
    rows: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    unsent_bytes: int = 0
    written_bytes: int = 0
    new: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    failure: BaseException | None = None


class DatabaseBackend(ABC):
    """A backend whose bytes are in a database.

    It may be used by several threads, and on both sides of a fork: a forked process opens connections of its own.

    Parameters
    ----------
    label
        What errors name: the store's URL without passwords.
    """

    is_shared_across_forks = True
    batch_bytes = _rows.BATCH_BYTES

    def __init__(self, label: str) -> None:
        self._label = label
        self._process = os.getpid()
        self._guard = RLock()
        self._turn = Turn()
        self._transaction: _Transaction | None = None
        self._catalogue: Catalogue
        self._ahead = ReadAhead()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._label}>"

    # --- what a database does ----------------------------------------------------------------------------

    @abstractmethod
    def _caught_up(self, known: Catalogue | None) -> Catalogue:
        """Return `known` with what was committed since, or a new catalogue; all of one instant."""

    @abstractmethod
    def _fetch(self, rows: Sequence[Row]) -> list[bytes | None]:
        """Return the bytes of rows, None for each that is missing."""

    @abstractmethod
    def _body(self, generation: int, number: int) -> bytes | None:
        """Return the body of an entry, None for a missing one."""

    @abstractmethod
    def _lock(self, timeout_s: float) -> bytes | None:
        """Become the only writer over all processes; return where new pieces go; None: another one stayed."""

    @abstractmethod
    def _send(self, where: bytes, rows: Sequence[tuple[bytes, int, bytes]]) -> None:
        """Add rows to the transaction."""

    @abstractmethod
    def _commit(self, entry: tuple[bytes, bytes, bytes], where: bytes) -> None:
        """Add the rows and an entry (head, contents, body), let other writers in, in one durable step."""

    @abstractmethod
    def _keep(
        self, entries: Sequence[tuple[bytes, bytes, bytes]], doomed: Sequence[bytes], where: bytes
    ) -> None:
        """Put entries in place of all, delete pieces, add the rows, let other writers in, in one durable step."""

    @abstractmethod
    def _undo(self) -> None:
        """Delete the transaction's rows, and let other writers in."""

    @abstractmethod
    def _sizes(self) -> tuple[int, int]:
        """Return how many bytes of the database's the pieces and entries take, and what helps to find them."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the connections of this process; those of the process it was forked from are let be."""

    # --- reading -----------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Grows whenever entries other than the newest change."""
        return self._catalogue.generation

    @property
    def is_damaged(self) -> bool:
        """Whether entries that were durable cannot be read any more."""
        return self._catalogue.is_damaged

    def refresh(self) -> None:
        """Take in what other processes committed."""
        self._notice_fork()
        with self._guard:
            self._catalogue = self._caught_up(self._catalogue)

    def heads(self) -> Sequence[bytes]:
        """Return the heads of all entries, oldest first."""
        return self._catalogue.heads

    def body(self, number: int) -> bytes:
        """Return the body of an entry."""
        body = self._body(self._catalogue.generation, number)
        if body is None:
            raise self._missing(f"entry {number}")
        return body

    def digests(self) -> Iterator[bytes]:
        """Yield the digests of all pieces, in the order of their commits."""
        yield from list(self._catalogue.order)

    def size(self, digest: bytes) -> int | None:
        """Return the length of a piece; None: there is none."""
        place = self._catalogue.places.get(digest)
        return None if place is None else place.size_bytes

    def read(self, digest: bytes) -> bytes:
        """Return a piece; a small one is read with those that were committed after it."""
        catalogue = self._catalogue  # a collection puts another in its place
        rows = self._rows(digest, catalogue)
        if len(rows) == 1 and rows[0].size_bytes <= AHEAD_BYTES:
            data = self._ahead.read(catalogue, digest, self._fetched_whole)
            if data is not None:
                return data
        return b"".join(data for _, data in self._fetched(rows))

    def _fetched_whole(self, digests: Sequence[bytes]) -> list[bytes | None]:
        """Return pieces of one row, None for each that has not its length."""
        rows = [row for digest in digests for row in self._rows(digest)]
        found = [data for batch in batches(rows) for data in self._fetch(batch)]
        return [
            data if data is not None and len(data) == row.size_bytes else None
            for row, data in zip(rows, found, strict=True)
        ]

    def read_through(self, digests: Sequence[bytes]) -> Iterator[memoryview]:
        """Yield pieces in the order asked for; small ones are asked for together."""
        if len(digests) == 1:
            yield memoryview(self.read(digests[0]))
            return
        for run in self._runs(digests):
            rows = [row for digest in run for row in self._rows(digest)]
            if len(run) == 1 and len(rows) > 1:
                whole = new_buffer(sum(row.size_bytes for row in rows))
                self.read_into([(run[0], whole)])
                yield whole
            else:
                for _, data in self._fetched(rows):
                    yield memoryview(data)

    def read_into(self, pieces: Sequence[tuple[bytes, memoryview]]) -> None:
        """Read each piece into the buffer beside it, which has its length."""
        buffers = [(row, buffer) for digest, buffer in pieces for row in self._rows(digest)]
        for (row, buffer), (_, data) in zip(buffers, self._fetched([row for row, _ in buffers]), strict=True):
            start = row.part * _rows.PART_BYTES
            buffer[start : start + len(data)] = data

    def _rows(self, digest: bytes, catalogue: Catalogue | None = None) -> list[Row]:
        place = (catalogue or self._catalogue).places.get(digest)
        if place is None:
            raise Corrupt(
                f"{self._label}: piece {digest.hex()[:16]} is missing; run: pod verify {self._label}"
            )
        size, where, _ = place
        return [
            Row(digest, part, where, min(_rows.PART_BYTES, size - part * _rows.PART_BYTES))
            for part in range(parts_of(size))
        ]

    def _runs(self, digests: Sequence[bytes]) -> Iterator[list[bytes]]:
        """Yield pieces that are asked for together: of one part each and few bytes, or a single one."""
        run: list[bytes] = []
        held = 0
        for digest in digests:
            size = sum(row.size_bytes for row in self._rows(digest))
            if run and (held + size > _rows.BATCH_BYTES or len(run) >= _rows.BATCH_ROWS):
                yield run
                run, held = [], 0
            run.append(digest)
            held += size
        if run:
            yield run

    def _fetched(self, rows: Sequence[Row]) -> Iterator[tuple[Row, bytes]]:
        """Yield rows and their bytes, which have the right length; batch by batch."""
        for batch in batches(rows):
            for row, data in zip(batch, self._fetch(batch), strict=True):
                name = f"piece {row.digest.hex()[:16]}"
                if data is None:
                    raise self._missing(name)
                if len(data) != row.size_bytes:
                    raise Corrupt(f"{self._label}: {name} is damaged; run: pod verify {self._label}")
                yield row, data

    def _missing(self, what: str) -> PodError:
        """Say why something that was there is not: another process threw it away, or the database lost it."""
        if self._caught_up(None).generation != self.generation:
            return self._collected()
        return Corrupt(f"{self._label}: {what} is missing; run: pod verify {self._label}")

    def _collected(self) -> StoreBusy:
        return StoreBusy(f"{self._label}: another process collected what was to be read; try again")

    # --- writing -----------------------------------------------------------------------------------------

    def begin(self, token: object, timeout_s: float) -> None:
        """Become the only writer, and refresh; ends with `commit`, `keep` or `roll_back`."""
        self._notice_fork()
        busy = StoreBusy(f"{self._label}: another process has been writing for {timeout_s:g} s; try again")
        until = time.monotonic() + timeout_s
        if not self._turn.take(token, timeout_s):
            raise busy
        where = self._lock(max(0.0, until - time.monotonic()))
        if where is None:
            raise busy
        self._prepare()
        self._transaction = _Transaction(token, where)

    def _prepare(self) -> None:
        self.refresh()
        if self.is_damaged:
            raise Corrupt(
                f"{self._label}: entries after number {len(self.heads())} are missing; nothing can be saved here, but"
                " what comes before can be loaded and exported into another store"
            )

    def append(self, pieces: Pieces) -> int:
        """Add pieces to the transaction; return their bytes."""
        transaction = self._running()
        before = transaction.written_bytes
        known = self._catalogue.places
        for digest, parts in pieces:
            if digest not in known and digest not in transaction.new:
                self._take(transaction, digest, parts)
        return transaction.written_bytes - before

    def _take(self, transaction: _Transaction, digest: bytes, parts: Sequence[Buffer]) -> None:
        size = 0
        try:
            for number, data in enumerate(cut(parts)):
                transaction.rows.append((digest, number, data))
                transaction.unsent_bytes += len(data)
                size += len(data)
                if transaction.unsent_bytes >= _rows.BATCH_BYTES:
                    self._send_rows(transaction)
        except BaseException as error:
            transaction.failure = error  # a part of the piece may have been sent
            raise
        transaction.new[digest] = (size, transaction.where)
        transaction.written_bytes += size + len(digest)

    def _send_rows(self, transaction: _Transaction) -> None:
        if transaction.rows:
            self._send(transaction.where, transaction.rows)
            transaction.rows, transaction.unsent_bytes = [], 0

    def commit(self, head: bytes, body: bytes) -> int:
        """Add the entry and the pieces in one durable step; return the bytes written."""
        transaction = self._running()
        number = len(self._catalogue.heads)
        contents = pack_contents(transaction.new)
        self._send_rows(transaction)
        try:
            self._commit((head, contents, body), transaction.where)
        except StoreUnavailable:
            if not self._was_committed(number, head):
                raise
            with suppress(PodError):
                self._undo()  # nothing but what this process still does for the transaction
        with self._guard:
            if len(self._catalogue.heads) == number:
                self._catalogue.add(head, contents)
        self._end(transaction.token)
        return transaction.written_bytes + len(head) + len(contents) + len(body)

    def _was_committed(self, number: int, head: bytes) -> bool:
        """Say whether an entry is there, after the connection was lost while it was being committed."""
        with suppress(PodError):
            self.refresh()
            return self._catalogue.heads[number : number + 1] == [head]
        return False

    def keep(self, entries: Sequence[tuple[bytes, bytes]], pieces: Pieces) -> None:
        """Put these entries and pieces in place of all others, and end the transaction.

        Pieces stay where they are: the others are deleted.
        """
        transaction = self._running()
        places = self._catalogue.places
        kept: dict[bytes, tuple[int, bytes]] = {}
        for digest, parts in pieces:
            if digest in places:
                kept[digest] = places[digest][:2]
            elif digest not in transaction.new:
                self._take(transaction, digest, parts)
        self._send_rows(transaction)
        doomed = [digest for digest in places if digest not in kept]
        contents = [pack_contents({**kept, **transaction.new}), *(pack_contents({}) for _ in entries)]
        self._keep(
            [(head, listed, body) for (head, body), listed in zip(entries, contents, strict=False)],
            doomed,
            transaction.where,
        )
        self._end(transaction.token)
        self.refresh()

    def roll_back(self, token: object) -> None:
        """End the transaction that this token began, if it is running; what it appended is gone."""
        self._notice_fork()
        if self._turn.is_of(token):
            try:
                with suppress(PodError):  # or else the server does it, once it misses this process
                    self._undo()
            finally:
                self._end(token)

    def _end(self, token: object) -> None:
        self._transaction = None
        self._turn.give_back(token)

    def _running(self) -> _Transaction:
        self._notice_fork()
        transaction = self._transaction
        if transaction is None:
            raise RuntimeError("no transaction has begun, or it has ended")
        if transaction.failure is not None:
            raise transaction.failure
        return transaction

    def _notice_fork(self) -> None:
        """Leave to the process that this one was forked from what is its own: connections, locks, a transaction."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._guard, self._turn = RLock(), Turn()
            self._ahead = ReadAhead()
            self._transaction = None
            self._disconnect()

    # --- looking after it --------------------------------------------------------------------------------

    def verify(self, progress: Progress | None = None) -> list[Damage]:
        """Read every piece, and return what is damaged; the log compares the bodies of entries with their heads."""
        self.refresh()
        found = []
        if self.is_damaged:
            found.append(Damage(self._label, 0, f"entries after number {len(self.heads())} are missing"))
        done, places = 0, dict(self._catalogue.places)
        total = sum(place.size_bytes for place in places.values())
        for run in self._runs(list(places)):
            found += self._damage(run)
            done += sum(places[digest].size_bytes for digest in run)
            if progress is not None:
                progress(done, total)
        if found and self._caught_up(None).generation != self.generation:
            raise self._collected()
        return found

    def _damage(self, run: Sequence[bytes]) -> Iterator[Damage]:
        rows = [row for digest in run for row in self._rows(digest)]
        held: dict[bytes, list[bytes]] = {digest: [] for digest in run}
        wrong: dict[bytes, str] = {}
        for batch in batches(rows):
            for row, data in zip(batch, self._fetch(batch), strict=True):
                if data is None:
                    wrong[row.digest] = f"piece {row.digest.hex()[:16]} is missing"
                elif len(data) != row.size_bytes:
                    wrong[row.digest] = "a piece has not the length that its entry says"
                else:
                    held[row.digest].append(data)
            if len(wrong) == len(run):
                break
        for digest, parts in held.items():
            if digest not in wrong and digest_of(b"".join(parts)) != digest:
                wrong[digest] = "a piece does not match its digest"
        for digest, what in wrong.items():
            yield Damage(self._label, 0, what, digest=digest)

    def stats(self) -> BackendStats:
        """Return how much it holds: bytes are those that the database says it uses."""
        log_bytes, index_bytes = self._sizes()
        known = self._catalogue
        return BackendStats(log_bytes, index_bytes, len(known.places), len(known.heads), known.generation)

    def settle(self) -> None:  # noqa: B027  (for all databases)
        """Do nothing: it opens quickly."""

    def close(self) -> None:
        """Drop a transaction, and close the connections."""
        if self._transaction is not None:
            self.roll_back(self._transaction.token)
        self._disconnect()
