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
from pod.store._arguments import checked_list, checked_message, checked_names
from pod.store._deferred import Encoding
from pod.store._follow import Follower, LoadedInto, load_into
from pod.store._future import Done, Forked, SaveFuture, Threaded
from pod.store._history import BRANCH
from pod.store._load import Loader
from pod.store._modes import Modes
from pod.store._options import Options
from pod.store._record import Record
from pod.store._report import SaveReport, UnloadedWarning, text_of
from pod.store._saving import Clock, Counted, Spool
from pod.store._session import Session
from pod.tracking import Followed, Namespace, Touched, Unloaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Buffer

    from pod.io import IO
    from pod.log import Transaction
    from pod.podding import Podding
    from pod.store._steps import Encoded
    from pod.tracking import Tracking
    from pod.trust import Key

TIMEOUT_S: Final = 60.0


class Store(Modes):
    """Versions of variables in one place. See the package's docstring; `pod.open` makes one.

    A context manager, which closes it. Its methods may be called from several threads; they wait for each other.
    Several processes may use one store: each save is one atomic commit, durable when `save` returns.

    Attributes
    ----------
    options
        How it saves.
    """

    def __init__(self, log: Log, options: Options | None = None) -> None:
        super().__init__(log, options or Options())
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
            self._join()
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
            session.has_coats,
            "\n\n".join(session.cells) or None,
            session.failed,
        )
        refs = {} if session.branch is None else {BRANCH + session.branch: transaction.tid}
        tid = transaction.commit(record.pack(), refs)
        clock.lap("write")
        session.coats.keep()
        session.parent = session.stored = tid
        session.is_fresh = False
        session.cells, session.failed = [], False
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
        mode: str | None = None,
    ) -> SaveFuture:
        """Save as `save` does, and return before it is done; what is saved is the state at the call.

        Parameters
        ----------
        mode
            "sync": it is done when the call returns. "fork": a forked process saves, or a thread where the system
            refuses to fork. "thread": everything is encoded before the call returns, and a thread writes it. "auto":
            "fork" where no other Python thread runs and not under ipykernel, else "thread". "thread-deferred": a thread
            encodes, too; meanwhile whoever touches a name that it encodes waits. What could be changed all the same is
            encoded before the call returns: what somebody else holds, and all of a namespace that is not managed.
            None: the store's.

        Raises
        ------
        InvalidArgument
            There is no such mode, or as for `save`; what else goes wrong comes out of the future.
        """
        with self._guard:
            chosen_mode = self._mode_of(mode)
            self._join()
            said, chosen = checked_message(message), checked_names(ns, names)
            session = self._session_of(ns)
            touched = self._touched(session, ns, full)
            return self._start(chosen_mode, session, said, chosen, touched)

    def _start(
        self, mode: str, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        if mode == "sync":
            return self._save_at_once(session, message, chosen, touched)
        if mode == "fork":
            return self._save_forked(session, message, chosen, touched)
        return self._save_threaded(session, message, chosen, touched, deferred=mode == "thread-deferred")

    def _save_at_once(
        self, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        try:
            outcome: SaveReport | BaseException = self._save(session, message, chosen, touched)
        except Exception as error:  # noqa: BLE001  (whoever asks for the result gets it)
            outcome = error
        return SaveFuture(Done(outcome), _settled)

    def _save_forked(
        self, session: Session, message: str | None, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        if not self._log.backend.is_shared_across_forks:
            return self._start(self._mode_of("thread"), session, message, chosen, touched)
        # What the child learns stays in the child: for this process nothing was saved yet but the version itself.
        session.watch.names |= touched.names
        session.watch.everything |= touched.everything
        try:
            running = Forked(lambda: self._save(session, message, chosen, touched))
        except OSError:
            return self._start(self._mode_of("thread"), session, message, chosen, touched)

        def settled(outcome: SaveReport | BaseException) -> None:
            self._running = None
            if isinstance(outcome, SaveReport):
                session.parent = int(outcome)

        self._running = SaveFuture(running, settled)
        return self._running

    def _save_threaded(
        self,
        session: Session,
        message: str | None,
        chosen: list[str] | None,
        touched: Touched,
        *,
        deferred: bool,
    ) -> SaveFuture:
        clock = Clock()
        try:
            with suppress(PodError):  # it comes out of the future: the thread looks, too
                self._log.refresh()
            self._forget_collected(session)
        except BaseException:
            session.reset()
            raise
        clock.lap("track")
        spool = Spool(self._log)
        counted = Counted(spool)
        encoding = Encoding(session, spool, self._deferral(session) if deferred else None)

        def finish() -> SaveReport:
            encoded, roots = encoding.finish()
            clock.lap("encode")
            with self._log.begin() as transaction:
                spool.drain(transaction)
                report = self._commit(session, transaction, encoded, roots, counted, message, clock)
            if session.is_doubtful:
                session.reset()
            return report

        def settled(outcome: SaveReport | BaseException) -> None:
            self._running = None
            if isinstance(outcome, BaseException):
                session.reset()

        running = Threaded(finish)
        try:
            encoding.begin(touched, chosen, counted)
            self._running = SaveFuture(running, settled)
            running.start()
        except BaseException:
            if running.cancel():
                self._running = None
                encoding.abandon()
                session.reset()
            raise
        return self._running

    def _session_of(self, ns: Mapping[str, Any]) -> Session:
        session = self._sessions.get(id(ns))
        if session is not None and session.namespace() is ns:
            return session
        session = Session(ns, self._policies)
        if isinstance(ns, Namespace):
            self._sessions[id(ns)] = session
        return session

    def follow(self, followed: Followed) -> Follower:
        """Let saves of an exact dict look only at what may have changed, as far as it is told of the code that runs in it.

        It lasts as long as what is returned does. See `pod.tracking` for what is to be told.
        """
        session = Session(followed.namespace, self._policies, followed)
        with self._guard:
            self._sessions[id(followed.namespace)] = session

        def load(version: int | str, names: Iterable[str] | None) -> LoadedInto:
            return self._load_into(session, followed.namespace, version, names)

        return Follower(session, followed, load)

    def _load_into(
        self, session: Session, variables: dict[str, Any], version: int | str, names: Iterable[str] | None
    ) -> LoadedInto:
        """Load variables whose functions have a followed dict as globals."""
        with self._guard:
            tid = self._resolve(version)
            chosen = None if names is None else checked_list("names", names)
            found = load_into(self._log, tid, self._record(tid), variables, chosen)
            if chosen is None:
                session.reset()
                session.parent, session.branch = tid, self._branch_of(version)
            return found

    def _branch_of(self, version: int | str) -> str | None:
        return version if isinstance(version, str) and BRANCH + version in self._log.refs() else None

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
        session = Session(namespace, self._policies)  # it learns what code touches while it is loaded
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
            return self._load(tid, names, self._branch_of(version))

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


def _settled(_outcome: SaveReport | BaseException) -> None:
    """Do nothing: the save ended before its call did."""


def _ignore(_digest: bytes, _parts: Sequence[Buffer]) -> None:
    """Store nothing: what is packed was read from the store."""


def open_store(
    path: str | os.PathLike[str] | None = None,
    *,
    create: bool = True,
    key: Key | None = None,
    io: IO = OS,
    podding: str | Podding = "default",
    tracking: str | Tracking = "names",
    ascc: bool = False,
    lock: str = "variable",
    mode: str = "auto",
    codec: str = "none",
    thesaurus_bytes: int | None = None,
    chunk_dedup: bool = True,
    fidelity: str = "fixed",
    timeout_s: float = TIMEOUT_S,
) -> Store:
    """Open a store, and make it if it is missing.

    How a store saves may change from one opening to the next: each version says how it is to be read.

    Parameters
    ----------
    path
        Its folder, or a URL: `file:///folder`, `memory://NAME` (lives as long as the process),
        `postgresql://user@host:port/database`, `redis://host:port/number` (`pod.log.open_backend`). By default `POD_DIR`,
        or `.pod` of the working directory.
    create
        False: a missing store is an error.
    key
        Who signs, and who is trusted; by default the user's own key.
    podding
        What becomes a pod: "default", "manual", "lga", "const(0.5)", "naive", "bundle", "random", "exhaustive(0101)",
        or a `Podding`.
    tracking
        What a save looks at: what the "names" that code touched lead to, "all", or a `Tracking`.
    ascc
        Whether a cell that is proved to read only touches nothing; see `Store.cell`.
    lock
        What "thread-deferred" keeps threads from: the "variable" that it encodes, or "all" names. It has no effect elsewhere.
    mode
        How `save_async` saves: "sync", "auto", "fork", "thread" or "thread-deferred".
    codec
        What pods are compressed with: "none", "lz4", "zstd".
    thesaurus_bytes
        How many bytes of keys are remembered of what was stored, 32 for each chunk (or pod), so that it is not stored
        again; what a forked process stored is not among it. None: all that the store holds is found, without any. 0:
        every save stores all that it looks at.
    chunk_dedup
        False: what is stored once is the whole pod, not the chunk.
    fidelity
        "fixed"; or "paper", which brings back what the published system does wrong.
    timeout_s
        How long a save waits for another process's.

    Raises
    ------
    InvalidArgument
        An option is unknown; the message has those that are known.
    NotAStore, Untrusted, Corrupt, StoreReadOnly, StoreUnavailable
    """
    options = Options(
        podding, tracking, ascc, lock, mode, codec, thesaurus_bytes, chunk_dedup, fidelity
    )  # before anything is made
    place = default_path() if path is None else path
    return Store(Log.open(place, create=create, io=io, key=key, timeout_s=timeout_s), options)


def default_path() -> Path | str:
    """Return `POD_DIR`, a folder or a URL, or `.pod` of the working directory."""
    configured = os.environ.get("POD_DIR") or ".pod"
    return configured if "://" in configured else Path(configured).absolute()
