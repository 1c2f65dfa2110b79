"""A store of versions."""

from __future__ import annotations

import os
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakValueDictionary

from pod.errors import PodError
from pod.io import OS
from pod.log import Log
from pod.podding import ByVariable
from pod.store._arguments import checked_list, checked_message, checked_names
from pod.store._future import Forked, SaveFuture, Threaded, may_fork
from pod.store._history import BRANCH
from pod.store._keeping import Keeping
from pod.store._load import Loader
from pod.store._record import Record
from pod.store._report import SaveReport, UnloadedWarning, text_of
from pod.store._saving import Clock, Counted, Spool
from pod.store._session import Encoded, Session
from pod.tracking import ByName, Namespace, Touched, Unloaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Buffer

    from pod.io import IO
    from pod.log import Transaction
    from pod.podding import Podding
    from pod.tracking import Tracking
    from pod.trust import Key

TIMEOUT_S: Final = 60.0


class Store(Keeping):
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
        InvalidArgument
            The namespace lacks one of the names, or the message is no str.
        StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable, StoreClosed
            The store is as it was.
        """
        with self._guard:
            self._settle()
            said, chosen = checked_message(message), checked_names(ns, names)
            session = self._session_of(ns)
            return self._save(session, said, chosen, self._touched(session, ns, full))

    def _touched(self, session: Session, ns: Mapping[str, Any], full: bool) -> Touched:
        touched = self._tracking.touched(ns, session.watch)
        return Touched(touched.names, everything=True) if full else touched

    def _save(
        self, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveReport:
        clock = Clock()
        try:
            with self._log.begin() as transaction:
                self._forget_collected(session)
                clock.lap("track")
                counted = Counted(transaction)
                encoded = session.encode(touched, chosen, counted)
                clock.lap("encode")
                roots = session.roots(encoded, transaction)
                report = self._commit(session, transaction, encoded, roots, counted, message, clock)
        except BaseException:
            session.reset()
            raise
        return report

    def _forget_collected(self, session: Session) -> None:
        """Let a session begin anew if a collection threw away what it takes for stored."""
        if session.stored is not None and session.stored not in self._log.tids():
            session.reset()

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
        session.parent = session.stored = tid
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
            True: a forked process saves, or a thread where the system refuses to fork. False: everything is encoded
            before the call returns, and a thread writes it. None: fork where no other Python thread runs and not
            under ipykernel.
        """
        with self._guard:
            self._settle()
            said, chosen = checked_message(message), checked_names(ns, names)
            session = self._session_of(ns)
            touched = self._touched(session, ns, full)
            start = self._save_forked if (may_fork() if fork is None else fork) else self._save_threaded
            self._running = start(session, said, chosen, touched)
            return self._running

    def _save_forked(
        self, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        # What the child learns stays in the child: for this process nothing was saved yet but the version itself.
        session.watch.names |= touched.names
        session.watch.everything |= touched.everything
        try:
            running = Forked(lambda: self._save(session, message, chosen, touched))
        except OSError:
            return self._save_threaded(session, message, chosen, touched)

        def settled(outcome: SaveReport | BaseException) -> None:
            self._running = None
            if isinstance(outcome, SaveReport):
                session.parent = int(outcome)

        return SaveFuture(running, settled)

    def _save_threaded(
        self, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        clock = Clock()
        try:
            with suppress(PodError):  # it comes out of the future: the thread looks, too
                self._log.refresh()
            self._forget_collected(session)
            clock.lap("track")
            spool = Spool(self._log)
            counted = Counted(spool)
            encoded = session.encode(touched, chosen, counted)
            roots = session.roots(encoded, spool)
            clock.lap("encode")

            def write() -> SaveReport:
                with self._log.begin() as transaction:
                    spool.drain(transaction)
                    return self._commit(session, transaction, encoded, roots, counted, message, clock)

            running = Threaded(write)
        except BaseException:
            session.reset()
            raise

        def settled(outcome: SaveReport | BaseException) -> None:
            self._running = None
            if isinstance(outcome, BaseException):
                session.reset()

        return SaveFuture(running, settled)

    def _session_of(self, ns: Mapping[str, Any]) -> Session:
        if not isinstance(ns, Namespace):
            return Session(ns, self._podding)
        session = self._sessions.get(id(ns))
        if session is None or session.namespace() is not ns:
            session = self._sessions[id(ns)] = Session(ns, self._podding)
        return session

    # Loading

    def load(
        self, version: int | str | SaveFuture, names: Iterable[str] | None = None, *, stacklevel: int = 1
    ) -> Namespace:
        """Build a version's variables again, in a new managed namespace.

        Parameters
        ----------
        version
            Its number, or a tag's or branch's name; of a running save its future: it is waited for.
        names
            Only these, with the same sharing among them.
        stacklevel
            Whose line an `UnloadedWarning` points at: the caller's, or that of its caller (2), and so on.

        Returns
        -------
        Namespace
            Its `unloaded` has the variables that cannot be built here (a module is missing, a class changed); where
            there are any, an `UnloadedWarning` names them.

        Raises
        ------
        NoSuchVersion
            No such version, or it has no such variable.
        InvalidArgument
            What is given names no version.
        CannotLoad
            One of `names` cannot be built here.
        """
        with self._guard:
            return self._load(self._resolve(version), names, stacklevel=stacklevel)

    def _load(
        self, tid: int, names: Iterable[str] | None, branch: str | None = None, stacklevel: int = 1
    ) -> Namespace:
        chosen = None if names is None else checked_list("names", names)
        record = self._record(tid)
        namespace = Namespace()
        session = Session(namespace, self._podding)  # it learns what code touches while it is loaded
        loader = Loader(self._log, record, namespace)
        loader.load(chosen)
        for name in chosen or ():
            if name in loader.lost:
                raise loader.cannot(name)
        session.learn(
            loader.bound, loader.values, loader.pods.values(), loader.objects, record.next_oid, _ignore
        )
        session.parent, session.stored, session.branch = tid, tid, branch
        self._sessions[id(namespace)] = session
        namespace.unloaded = tuple(
            Unloaded(name, type(error).__name__, text_of(error))
            for name, error in sorted(loader.lost.items())
        )
        if namespace.unloaded:
            said = "; ".join(f"{lost.name} ({lost.error}: {lost.reason})" for lost in namespace.unloaded)
            warnings.warn(
                f"{self.path}: version {tid} is loaded without what cannot be built here: {said}",
                UnloadedWarning,
                stacklevel=stacklevel + 2,
            )
        return namespace

    def checkout(self, version: int | str, names: Iterable[str] | None = None) -> Namespace:
        """Load a version; further saves of a branch's namespace move the branch."""
        with self._guard:
            tid = self._resolve(version)
            branch = version if isinstance(version, str) and BRANCH + version in self._log.refs() else None
            return self._load(tid, names, branch)

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
