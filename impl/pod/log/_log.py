"""The log: versions on top of a backend, signed and verified."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Self, TypeAlias

from pod.errors import Corrupt, NoSuchVersion, StoreBusy
from pod.format import digest_of
from pod.io import OS
from pod.log._backend import Damage
from pod.log._buffer import new_buffer
from pod.log._chain import Chain, check_trust
from pod.log._export import ExportBackend, write_export
from pod.log._open import open_backend
from pod.log._reports import GcReport, LogStats
from pod.log._transaction import Transaction
from pod.trust import Key

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from pod.io import IO
    from pod.log._backend import Backend, Pieces, Progress

__all__ = ["Log", "Plan"]

DEFAULT_TIMEOUT_S = 60.0

Plan: TypeAlias = "Callable[[], tuple[Mapping[int, bytes], Collection[bytes]]]"
"""Returns what to keep: records by their tids, and digests."""


class Log:
    """Pieces by their digest, and one signed record for each version; see the package.

    A context manager, which closes it.

    Parameters
    ----------
    path
        What errors name: a folder, or a URL without passwords.
    backend
        Where the bytes are.
    key
        Signs what is written, and must have signed what is read.
    timeout_s
        How long `begin` waits for another writer.
    trust_all
        Read it whoever signed it.
    remedy
        The command that makes it trusted, for the error.

    Raises
    ------
    Untrusted
        The newest entry bears another signature.
    Corrupt
        The entries do not follow each other.
    """

    def __init__(
        self,
        path: Path | str,
        backend: Backend,
        key: Key,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        trust_all: bool = False,
        remedy: str | None = None,
    ) -> None:
        self.path = path
        self.backend = backend
        self.key = key
        self.timeout_s = timeout_s
        self._trust_all = trust_all
        self._remedy = remedy or f"pod trust {path}"
        self._guard = RLock()
        self._chain = Chain(path, backend.generation)
        self._take_in()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        io: IO = OS,
        key: Key | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Self:
        """Open the log of a folder or a database, and check that this user, or who this user trusts, wrote it.

        Parameters
        ----------
        path
            A folder, made with mode 0700 if it is missing and `create` is set; or a URL (`open_backend`).
        key
            The user's own by default.

        Raises
        ------
        NotAStore, Untrusted, Corrupt, StoreReadOnly, StoreUnavailable, InvalidArgument
        """
        key = key or Key.of_user(io=io)
        label, backend = open_backend(path, io=io, create=create)
        return cls(label, backend, key, timeout_s=timeout_s)

    @classmethod
    def open_export(
        cls, path: str | os.PathLike[str], *, io: IO = OS, key: Key | None = None, trust: bool = False
    ) -> Self:
        """Open a file that `export` wrote, read-only; with `trust` whoever wrote it."""
        file = Path(path)
        return cls(
            file,
            ExportBackend(file, io=io),
            key or Key.of_user(io=io),
            trust_all=trust,
            remedy=f"pod import --trust {file}",
        )

    def settle(self) -> None:
        """Leave everything behind so that it opens quickly; `close` does so, too."""
        self.backend.settle()

    def close(self) -> None:
        """Settle, and close the files."""
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def generation(self) -> int:
        """Grows with every collection; pieces that were there before may be gone."""
        return self._chain.generation

    # --- versions ----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take in what other processes committed."""
        with self._guard:
            self.backend.refresh()
            self._take_in()

    def _take_in(self) -> None:
        heads, chain = self.backend.heads(), self._chain
        if chain.generation != self.backend.generation or not chain.continues(heads):
            chain = Chain(self.path, self.backend.generation)
        if len(heads) > len(chain.heads):
            if not self._trust_all:
                check_trust(self.path, heads, self.key, self._remedy)
            self._chain = Chain(self.path, -1)  # if what follows fails
            chain.extend(heads)
        self._chain = chain

    def head(self) -> int | None:
        """Return the newest tid, with what other processes committed."""
        self.refresh()
        return self._chain.newest_tid

    def tids(self) -> Sequence[int]:
        """Return all tids, ascending, as of the last `refresh`, `head` or `begin`."""
        return list(self._chain.numbers)

    def refs(self) -> dict[str, int]:
        """Return names and their tids, as of the last `refresh`, `head` or `begin`."""
        return dict(self._chain.refs)

    def record(self, tid: int) -> bytes:
        """Return what was committed as a version's record, verified.

        Raises
        ------
        NoSuchVersion, Corrupt, StoreUnavailable
        """
        if tid not in self._chain.numbers:
            self.refresh()
        chain = self._chain
        number = chain.numbers.get(tid)
        if number is None and self.backend.is_damaged:
            raise Corrupt(
                f"{self.path}: version {tid} is not among what can be read; run: pod verify {self.path}"
            )
        if number is None:
            raise NoSuchVersion(f"{self.path}: there is no version {tid}")
        body = self.backend.body(number)
        if digest_of(body) != chain.heads[number].body:
            raise Corrupt(f"{self.path}: the record of version {tid} is damaged; run: pod verify {self.path}")
        return body

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise `StoreBusy` where pieces are missing only because another process collected, and this one noticed."""
        generation = self.backend.generation
        try:
            yield
        except Corrupt as error:
            if self.backend.generation == generation:
                raise
            raise StoreBusy(
                f"{self.path}: another process collected what was to be read; try again"
            ) from error

    # --- pieces ------------------------------------------------------------------------------------------

    def __contains__(self, digest: bytes) -> bool:
        return self.backend.size(digest) is not None

    def size(self, digest: bytes) -> int:
        """Return the length of a piece; `Corrupt` if it is missing."""
        size = self.backend.size(digest)
        if size is None:
            raise Corrupt(f"{self.path}: piece {digest.hex()[:16]} is missing; run: pod verify {self.path}")
        return size

    def read(self, digest: bytes) -> bytes:
        """Return a piece, verified.

        Raises
        ------
        Corrupt
            It is missing, or its bytes do not match.
        """
        data = self.backend.read(digest)
        if digest_of(data) != digest:
            raise self._damaged(digest)
        return data

    def read_through(self, digests: Sequence[bytes]) -> Iterator[memoryview]:
        """Yield pieces in the order asked for, verified; each is gone when the next is asked for."""
        for digest, data in zip(digests, self.backend.read_through(digests), strict=True):
            if digest_of(data) != digest:
                raise self._damaged(digest)
            yield data

    def read_joined(self, digests: Sequence[bytes], into: memoryview | None = None) -> memoryview:
        """Return pieces one after the other in one writable buffer, verified.

        Parameters
        ----------
        into
            The buffer, of exactly their length; a new one by default.
        """
        ends = [0]
        for digest in digests:
            ends.append(ends[-1] + self.size(digest))
        whole = new_buffer(ends[-1]) if into is None else into.cast("B")
        if len(whole) != ends[-1]:
            raise ValueError(f"the pieces have {ends[-1]} bytes, the buffer {len(whole)}")
        batch: list[tuple[bytes, memoryview]] = []
        held, most = 0, self.backend.batch_bytes
        for digest, (start, end) in zip(digests, pairwise(ends), strict=True):
            batch.append((digest, whole[start:end]))
            held += end - start
            if held >= most:
                self._read_batch(batch)
                batch, held = [], 0
        self._read_batch(batch)
        return whole

    def _read_batch(self, batch: Sequence[tuple[bytes, memoryview]]) -> None:
        self.backend.read_into(batch)
        for digest, part in batch:
            if digest_of(part) != digest:
                raise self._damaged(digest)

    def digests(self) -> Iterator[bytes]:
        """Yield the digests of all pieces, as they lie on the disk."""
        return self.backend.digests()

    def _damaged(self, digest: bytes) -> Corrupt:
        return Corrupt(f"{self.path}: piece {digest.hex()[:16]} is damaged; run: pod verify {self.path}")

    # --- writing -----------------------------------------------------------------------------------------

    def begin(self, timeout_s: float | None = None) -> Transaction:
        """Take the writer's lock, and begin a commit. Use it in a `with` statement.

        Raises
        ------
        StoreBusy
            Another process kept the lock for `timeout_s` (the log's own by default).
        StoreReadOnly, StoreFull, StoreUnavailable, Untrusted, Corrupt
        """
        token = object()
        try:
            self.backend.begin(token, self.timeout_s if timeout_s is None else timeout_s)
            with self._guard:
                self._take_in()
            return Transaction(self.backend, token, self._chain, self.key, self._committed)
        except BaseException:
            self.backend.roll_back(token)
            raise

    def _committed(self) -> None:
        with self._guard:
            self._chain.extend(self.backend.heads())

    def set_refs(self, refs: Mapping[str, int | None]) -> None:
        """Change refs durably: name -> tid, None deletes."""
        with self.begin() as transaction:
            transaction.commit_refs(refs)

    def gc(self, plan: Plan, progress: Progress | None = None) -> GcReport:
        """Keep the versions and pieces of a plan, nothing else; refs to other versions go. One atomic step.

        Parameters
        ----------
        plan
            Called when nobody else can commit any more: returns the records to keep, by their tids (a record may be
            another than before), and all pieces that they need.
        progress
            Told (bytes done, bytes in all).

        Raises
        ------
        NoSuchVersion
            A version is not there.
        Corrupt
            A piece is damaged or missing; everything is as it was.
        StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable
            Everything is as it was.
        """
        with self.begin() as transaction:
            old = self._chain
            records, digests = plan()
            for tid in records:
                if tid not in old.numbers:
                    raise NoSuchVersion(f"{self.path}: there is no version {tid}")
            for digest in digests:
                self.size(digest)
            wanted = set(digests)
            kept = [digest for digest in self.backend.digests() if digest in wanted]
            before = self.backend.stats()
            if len(records) < len(old.numbers) or len(kept) < before.pieces:
                transaction.keep(self._entries(records, old), self._told(kept, progress))
        after = self.backend.stats()
        self.refresh()
        return GcReport(
            len(old.numbers) - len(records), before.pieces - after.pieces, before.log_bytes - after.log_bytes
        )

    def _entries(self, records: Mapping[int, bytes], old: Chain) -> list[tuple[bytes, bytes]]:
        chain = Chain(self.path, old.generation + 1)
        refs = {name: tid for name, tid in old.refs.items() if tid in records}
        heads, bodies = [], []
        for tid in (*sorted(records), 0):
            bodies.append(records[tid] if tid else b"")
            heads.append(chain.sign(tid, bodies[-1], self.key, {} if tid else refs, old.next_tid))
            chain.extend(heads)
        return list(zip(heads, bodies, strict=True))

    # --- files -------------------------------------------------------------------------------------------

    def export(
        self,
        target: str | os.PathLike[str],
        record: bytes,
        digests: Iterable[bytes],
        *,
        progress: Progress | None = None,
        io: IO = OS,
    ) -> int:
        """Write one file that holds one version; return its size in bytes.

        Parameters
        ----------
        record
            Of the version, needing no other; `open_export` has it as version 1.
        digests
            All pieces that it needs.
        progress
            Told (bytes done, bytes in all).
        """
        head = Chain(self.path, 1).sign(1, record, self.key, {})
        return write_export(
            io, Path(target), (head, record), self._told(list(dict.fromkeys(digests)), progress)
        )

    def _told(self, digests: Sequence[bytes], progress: Progress | None) -> Pieces:
        """Yield pieces, and tell how far it is."""
        done, total = 0, sum(map(self.size, digests))
        for digest in digests:
            data = self.read(digest)
            yield digest, [data]
            done += len(data)
            if progress is not None:
                progress(done, total)

    # --- looking after it --------------------------------------------------------------------------------

    def verify(self, progress: Progress | None = None) -> list[Damage]:
        """Read every byte of every file; return what is damaged. Empty: all is well.

        Parameters
        ----------
        progress
            Told (bytes done, bytes in all).
        """
        found = self.backend.verify(progress)
        self.refresh()
        known = {damage.tid for damage in found}
        for tid in self.tids():
            if tid not in known:
                with suppress(NoSuchVersion):
                    try:
                        self.record(tid)
                    except Corrupt as error:
                        found.append(Damage(str(self.path), 0, str(error), tid=tid))
        return found

    def stats(self) -> LogStats:
        """Return how much it holds."""
        found = self.backend.stats()
        return LogStats(
            versions=len(self._chain.numbers),
            pieces=found.pieces,
            log_bytes=found.log_bytes,
            index_bytes=found.index_bytes,
            generation=found.generation,
        )
