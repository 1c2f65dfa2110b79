"""A store of versions."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakValueDictionary

from pod.errors import InvalidArgument, NoSuchVersion
from pod.io import OS
from pod.log import Log
from pod.podding import ByVariable
from pod.store._future import Forked, SaveFuture, Threaded, may_fork
from pod.store._history import BRANCH, History
from pod.store._load import Loader
from pod.store._record import Record, reachable
from pod.store._report import SaveReport, Unsaved
from pod.store._saving import Clock, Counted, Spool
from pod.store._session import Encoded, Session
from pod.tracking import ByName, Namespace, Touched

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Buffer

    from pod.io import IO
    from pod.log import Damage, GcReport, Progress, Transaction
    from pod.podding import Podding
    from pod.tracking import Tracking
    from pod.trust import Key

TIMEOUT_S: Final = 60.0


class Store(History):
    """Versions of variables in one folder. See the package's docstring; `pod.open` makes one.

    A context manager, which closes it. Its methods may be called from several threads; they wait for each other.
    Several processes may use one store: each save is one atomic commit, durable when `save` returns.
    """

    def __init__(self, log: Log, podding: Podding | None = None, tracking: Tracking | None = None) -> None:
        super().__init__(log)
        self._podding = podding or ByVariable()
        self._tracking = tracking or ByName()
        self._sessions: WeakValueDictionary[int, Session] = WeakValueDictionary()

    # Saving

    def save(
        self,
        ns: Mapping[str, Any],
        message: str | None = None,
        names: Iterable[str] | None = None,
        full: bool = False,
    ) -> SaveReport:
        """Save a namespace's variables as a new version, durably.

        Parameters
        ----------
        ns
            A managed namespace, of which only what may have changed is looked at, or any mapping.
        message
            Kept with the version.
        names
            The version holds these variables only.
        full
            Look at everything: for what tracking cannot see (docs/pod-semantics.md).

        Raises
        ------
        StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable, StoreClosed
            The store is as it was.
        """
        with self._guard:
            self._settle()
            chosen = _checked_names(ns, names)
            session = self._session_of(ns)
            return self._save(session, message, chosen, self._touched(session, ns, full))

    def _touched(self, session: Session, ns: Mapping[str, Any], full: bool) -> Touched:
        touched = self._tracking.touched(ns, session.watch)
        return Touched(touched.names, everything=True) if full else touched

    def _save(
        self, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveReport:
        clock = Clock()
        try:
            with self._log.begin() as transaction:
                if session.parent is not None and session.parent not in self._log.tids():
                    session.reset()  # a collection threw away what the session takes for stored
                clock.lap("track")
                counted = Counted(transaction)
                encoded = session.encode(touched, chosen, counted)
                clock.lap("encode")
                roots = session.roots(encoded, transaction.put)
                report = self._commit(session, transaction, encoded, roots, counted, message, clock)
        except BaseException:
            session.reset()
            raise
        return report

    def _commit(
        self,
        session: Session,
        transaction: Transaction,
        encoded: Encoded,
        roots: tuple[bytes, bytes],
        counted: Counted,
        message: str | None,
        clock: Clock,
    ) -> SaveReport:
        parent = session.parent if session.is_own else transaction.head
        record = Record(
            time.time_ns(),
            message,
            parent,
            session.branch,
            tuple((found.name, found.type, found.reason) for found in encoded.unsaved),
            *roots,
            session.count,
            transaction.bytes_written,
            session.encoder.next_oid,
        )
        refs = {} if session.branch is None else {BRANCH + session.branch: transaction.tid}
        tid = transaction.commit(record.pack(), refs)
        clock.lap("write")
        session.parent = tid
        session.is_fresh = False
        new = sum(1 for pod in encoded.new if counted.is_new(pod.streams, pod.blobs))
        return SaveReport(
            tid,
            message=message,
            time_s=record.time_ns / 1e9,
            bytes_written=transaction.bytes_written,
            pods_new=new,
            pods_reused=len(encoded.pods) - new,
            seconds=clock.seconds,
            unsaved=encoded.unsaved,
        )

    def save_async(
        self,
        ns: Mapping[str, Any],
        message: str | None = None,
        names: Iterable[str] | None = None,
        full: bool = False,
        *,
        fork: bool | None = None,
    ) -> SaveFuture:
        """Save as `save` does, and return before it is done; what is saved is the state at the call.

        Parameters
        ----------
        fork
            True: a forked process saves. False: everything is encoded before the call returns, and a thread
            writes it. None: fork where no other Python thread runs and not under ipykernel.
        """
        with self._guard:
            self._settle()
            chosen = _checked_names(ns, names)
            session = self._session_of(ns)
            touched = self._touched(session, ns, full)
            start = self._save_forked if (may_fork() if fork is None else fork) else self._save_threaded
            self._running = start(session, message, chosen, touched)
            return self._running

    def _save_forked(
        self, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        running = Forked(lambda: self._save(session, message, chosen, touched))
        # What the child learns stays in the child: for this process nothing was saved yet but the version itself.
        session.watch.names |= touched.names
        session.watch.everything |= touched.everything

        def settled(outcome: SaveReport | BaseException) -> None:
            self._running = None
            if isinstance(outcome, SaveReport):
                session.parent = int(outcome)

        return SaveFuture(running, settled)

    def _save_threaded(
        self, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        clock = Clock()
        spool = Spool(self._log)
        try:
            counted = Counted(spool)
            encoded = session.encode(touched, chosen, counted)
            roots = session.roots(encoded, spool.put)
            clock.lap("encode")
        except BaseException:
            session.reset()
            raise

        def write() -> SaveReport:
            with self._log.begin() as transaction:
                spool.drain(transaction)
                return self._commit(session, transaction, encoded, roots, counted, message, clock)

        def settled(outcome: SaveReport | BaseException) -> None:
            self._running = None
            if isinstance(outcome, BaseException):
                session.reset()

        return SaveFuture(Threaded(write), settled)

    def _session_of(self, ns: Mapping[str, Any]) -> Session:
        if not isinstance(ns, Namespace):
            return Session(ns, self._podding)
        session = self._sessions.get(id(ns))
        if session is None or session.namespace() is not ns:
            session = self._sessions[id(ns)] = Session(ns, self._podding)
        return session

    # Loading

    def load(self, version: int | str | SaveFuture, names: Iterable[str] | None = None) -> Namespace:
        """Build a version's variables again, in a new managed namespace.

        Parameters
        ----------
        version
            Its number, or a tag's or branch's name; of a running save its future: it is waited for.
        names
            Only these, with the same sharing among them.

        Raises
        ------
        NoSuchVersion
            No such version, or it has no such variable.
        CannotLoad
            An object cannot be built here: a module is missing, or its class changed.
        """
        with self._guard:
            tid = self._resolve(version)
            return self._load(tid, None if names is None else list(names))

    def _load(self, tid: int, names: Collection[str] | None, branch: str | None = None) -> Namespace:
        record = self._record(tid)
        loader = Loader(self._log, record)
        namespace = loader.load(names)
        session = Session(namespace, self._podding)
        session.learn(loader.bound, loader.pods.values(), loader.objects, record.next_oid, _ignore)
        session.parent, session.branch = tid, branch
        self._sessions[id(namespace)] = session
        return namespace

    def checkout(self, version: int | str, names: Iterable[str] | None = None) -> Namespace:
        """Load a version; further saves of a branch's namespace move the branch."""
        with self._guard:
            tid = self._resolve(version)
            branch = version if isinstance(version, str) and BRANCH + version in self._log.refs() else None
            return self._load(tid, None if names is None else list(names), branch)

    # Keeping

    def verify(self, progress: Progress | None = None) -> list[Damage]:
        """Read every byte of the store; return what is damaged."""
        with self._guard:
            self._settle()
            return self._log.verify(progress)

    def gc(self, keep: int | Iterable[int | str] | None = None, progress: Progress | None = None) -> GcReport:
        """Throw away versions, and the bytes that no version needs.

        Parameters
        ----------
        keep
            The newest so many, or these versions; None: all. Tagged versions and branches' are kept in any case.
        """
        with self._guard:
            self._settle()
            return self._log.gc(lambda: self._kept(keep), progress)

    def _kept(self, keep: int | Iterable[int | str] | None) -> tuple[dict[int, bytes], set[bytes]]:
        """Return the records of the versions to keep, and the pieces that they need."""
        tids = self._log.tids()
        refs = self._log.refs()
        if keep is None:
            kept = set(tids)
        elif isinstance(keep, int):
            if keep < 0:
                raise InvalidArgument("gc cannot keep fewer than no versions")
            kept = set(tids[len(tids) - min(keep, len(tids)) :])
        else:
            kept = {self._resolve(version) for version in keep}
        kept |= set(refs.values())
        records = {tid: self._log.record(tid) for tid in sorted(kept)}
        read = self._log.read
        return records, {
            digest for data in records.values() for digest in reachable(Record.parse(data), read)
        }

    def export(
        self, version: int | str, target: str | os.PathLike[str], progress: Progress | None = None
    ) -> int:
        """Write a version into one file, which `import_` reads; return its size in bytes."""
        with self._guard:
            data = self._log.record(self._resolve(version))
            digests = list(dict.fromkeys(reachable(Record.parse(data), self._log.read)))
            return self._log.export(target, data, digests, progress=progress)

    def import_(
        self, source: str | os.PathLike[str], *, trust: bool = False, progress: Progress | None = None
    ) -> SaveReport:
        """Add a version that `export` wrote. `trust` it if another user did: loading it runs that user's code.

        Raises
        ------
        Untrusted
            Another user wrote it.
        """
        with self._guard:
            self._settle()
            with Log.open_export(source, trust=trust) as other:
                tid = other.head()
                if tid is None:
                    raise NoSuchVersion(f"{source}: the file holds no version")
                data = other.record(tid)
                record = Record.parse(data)
                digests = list(dict.fromkeys(reachable(record, other.read)))
                done, total = 0, sum(map(other.size, digests))
                with self._log.begin() as transaction:
                    for digest in digests:
                        transaction.put(digest, [other.read(digest)])
                        done += other.size(digest)
                        if progress is not None:
                            progress(done, total)
                    own = replace(record, parent=None, branch=None, bytes_written=transaction.bytes_written)
                    new = transaction.commit(own.pack())
                    return SaveReport(
                        new,
                        message=record.message,
                        time_s=record.time_ns / 1e9,
                        bytes_written=transaction.bytes_written,
                        unsaved=tuple(Unsaved(*found) for found in record.unsaved),
                    )

    def stats(self) -> dict[str, int | float | str]:
        """Return how much the store holds."""
        with self._guard:
            self._settle()
            self._log.head()
            found = self._log.stats()
            return {name: getattr(found, name) for name in found.__dataclass_fields__}

    def close(self) -> None:
        """Wait for a running save, and close the store's files."""
        with self._guard:
            if not self._closed:
                self._settle()
                self._closed = True
                for session in list(self._sessions.values()):
                    namespace = session.namespace()
                    if isinstance(namespace, Namespace):
                        namespace.unwatch(session.watch)
                self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


setattr(Store, "import", Store.import_)


def _ignore(_digest: bytes, _parts: Sequence[Buffer]) -> None:
    """Store nothing: what is packed was read from the store."""


def _checked_names(ns: Mapping[str, Any], names: Iterable[str] | None) -> list[str] | None:
    """Return the names as a list, if the namespace has them all."""
    if names is None:
        return None
    if isinstance(names, str):
        raise InvalidArgument(f"names is one str, {names!r}; give a list of names")
    chosen = list(names)
    missing = [
        name for name in chosen if not (dict.__contains__(ns, name) if isinstance(ns, dict) else name in ns)
    ]
    if missing:
        raise InvalidArgument(f"the namespace has no variable {', '.join(missing)}")
    return chosen


def open_store(
    path: str | os.PathLike[str] | None = None,
    *,
    create: bool = True,
    key: Key | None = None,
    io: IO = OS,
    podding: Podding | None = None,
    tracking: Tracking | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Store:
    """Open a store, and make it if it is missing.

    Parameters
    ----------
    path
        Its folder; by default `POD_DIR`, or `.pod` of the working directory.
    create
        False: a missing store is an error.
    key
        Who signs, and who is trusted; by default the user's own key.
    podding, tracking
        What becomes a pod; what may have changed.
    timeout_s
        How long a save waits for another process's.

    Raises
    ------
    NotAStore, Untrusted, Corrupt, StoreReadOnly, StoreUnavailable
    """
    folder = default_path() if path is None else Path(path)
    log = Log.open(folder, create=create, io=io, key=key, timeout_s=timeout_s)
    return Store(log, podding, tracking)


def default_path() -> Path:
    """Return `POD_DIR`, or `.pod` of the working directory."""
    return Path(os.environ.get("POD_DIR") or ".pod").absolute()
