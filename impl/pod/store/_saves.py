"""How a store saves: at once, in a forked process, or in a thread."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from pod.errors import PodError
from pod.log import Log
from pod.store._arguments import checked_message, checked_names
from pod.store._deferred import Encoding
from pod.store._future import Done, Forked, Running, SaveFuture, Threaded, uninterrupted
from pod.store._history import BRANCH
from pod.store._modes import Modes
from pod.store._options import Options
from pod.store._record import Record
from pod.store._report import SaveReport
from pod.store._saving import Clock, Counted, Said, Spool
from pod.store._session import Session
from pod.tracking import Namespace, Touched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pod.log import Transaction
    from pod.store._steps import Encoded


class Saves(Modes):
    """A store's saves, and the sessions that they need."""

    def __init__(self, log: Log, options: Options) -> None:
        super().__init__(log, options)
        self._sessions: WeakValueDictionary[int, Session] = WeakValueDictionary()

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
            text, chosen = checked_message(message), checked_names(ns, names)
            session = self._session_of(ns)
            touched = self._touched(session, ns, full)
            return self._save(session, session.say(text), chosen, touched)

    def _touched(self, session: Session, ns: Mapping[str, Any], full: bool) -> Touched:
        touched = self._tracking.touched(ns, session.watch)
        return Touched(touched.names, everything=True) if full else touched

    def _save(self, session: Session, said: Said, chosen: list[str] | None, touched: Touched) -> SaveReport:
        clock = Clock()
        try:
            with self._log.begin() as transaction:
                self._forget_collected(session)
                clock.lap("track")
                counted = Counted(transaction)
                encoded = session.encode(touched, chosen, counted)
                clock.lap("encode")
                roots = session.known.roots(encoded, transaction)
                report = self._commit(session, transaction, encoded, roots, counted, said, clock)
        except BaseException:
            session.reset()
            session.unsay(said)
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
        said: Said,
        clock: Clock,
    ) -> SaveReport:
        parent = session.parent if session.is_own else transaction.head
        record = Record(
            time.time_ns(),
            said.message,
            parent,
            session.branch,
            tuple((found.name, found.type, found.reason) for found in encoded.unsaved),
            *roots,
            session.known.count,
            transaction.bytes_written,
            session.encoder.next_oid,
            session.known.has_coats,
            "\n\n".join(said.cells) or None,
            said.failed,
        )
        refs = {} if session.branch is None else {BRANCH + session.branch: transaction.tid}
        tid = transaction.commit(record.pack(), refs)
        clock.lap("write")
        session.coats.keep()
        session.parent = session.stored = tid
        session.is_fresh = False
        new = sum(1 for pod in encoded.new if counted.is_new(pod.streams, pod.blobs))
        return SaveReport(
            tid,
            message=said.message,
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
            refuses to fork or the store is in memory. "thread": everything is encoded before the call returns, and a
            thread writes it. "auto": "fork" where no other Python thread runs, not under ipykernel, and not with a
            thesaurus, which learns nothing from a forked process; else "thread". "thread-deferred": a thread encodes,
            too; meanwhile whoever touches a name that it encodes waits. What could be changed all the same is encoded
            before the call returns: what somebody else holds, and all of a namespace that is not managed. None: the
            store's.

        Raises
        ------
        InvalidArgument
            There is no such mode, or as for `save`; what else goes wrong comes out of the future.
        """
        with self._guard:
            chosen_mode = self._mode_of(mode)
            self._join()
            text, chosen = checked_message(message), checked_names(ns, names)
            session = self._session_of(ns)
            touched = self._touched(session, ns, full)
            return self._start(chosen_mode, session, session.say(text), chosen, touched)

    def _start(
        self, mode: str, session: Session, said: Said, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        try:
            if mode == "sync":
                return SaveFuture(Done(self._save(session, said, chosen, touched)), _settled)
            if mode == "fork":
                return self._save_forked(session, said, chosen, touched)
            return self._save_threaded(session, said, chosen, touched, deferred=mode == "thread-deferred")
        except Exception as error:  # noqa: BLE001  (whoever asks for the result gets it)
            return SaveFuture(Done(error), _settled)

    def _save_forked(
        self, session: Session, said: Said, chosen: list[str] | None, touched: Touched
    ) -> SaveFuture:
        # What the child learns stays in the child: for this process nothing was saved yet but the version itself.
        session.watch.names |= touched.names
        session.watch.everything |= touched.everything

        def settled(outcome: SaveReport | BaseException) -> None:
            if isinstance(outcome, SaveReport):
                session.parent = int(outcome)
            else:
                session.unsay(said)

        try:
            with uninterrupted():
                return self._begun(Forked(lambda: self._save(session, said, chosen, touched)), settled)
        except OSError:
            return self._start(self._mode_of("thread"), session, said, chosen, touched)

    def _save_threaded(
        self,
        session: Session,
        said: Said,
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
            session.unsay(said)
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
                report = self._commit(session, transaction, encoded, roots, counted, said, clock)
            if session.is_doubtful:
                session.reset()
            return report

        def settled(outcome: SaveReport | BaseException) -> None:
            if isinstance(outcome, BaseException):
                session.reset()
                session.unsay(said)

        running = Threaded(finish)
        try:
            encoding.begin(touched, chosen, counted)
            future = self._begun(running, settled)
            running.start()
        except BaseException:
            if running.cancel():
                self._running = None
                encoding.abandon()
                session.reset()
                session.unsay(said)
            raise
        return future

    def _begun(self, running: Running, settled: Callable[[SaveReport | BaseException], None]) -> SaveFuture:
        """Return the future of a save, which the next one waits for; `settled` is called while it does."""

        def settled_once(outcome: SaveReport | BaseException) -> None:
            if self._running is future:
                settled(outcome)
                self._running = None

        self._running = future = SaveFuture(running, settled_once)
        return future

    def _session_of(self, ns: Mapping[str, Any]) -> Session:
        session = self._sessions.get(id(ns))
        if session is not None and session.namespace() is ns:
            return session
        session = Session(ns, self._policies)
        if isinstance(ns, Namespace):
            self._sessions[id(ns)] = session
        return session


def _settled(_outcome: SaveReport | BaseException) -> None:
    """Do nothing: the save ended before its call did."""
