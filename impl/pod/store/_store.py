"""A store of versions."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

from pod.log import Log
from pod.store._arguments import checked_list
from pod.store._follow import Follower, LoadedInto, load_into
from pod.store._future import SaveFuture
from pod.store._history import BRANCH
from pod.store._load import Loader
from pod.store._options import Options
from pod.store._report import UnloadedWarning, text_of
from pod.store._saves import Saves
from pod.store._session import Session
from pod.tracking import Followed, Namespace, Unloaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from typing_extensions import Buffer


class Store(Saves):
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
        session.known.learn(
            loader.bound, loader.values, loader.pods.values(), loader.objects, record.next_oid, _ignore
        )
        session.parent, session.stored, session.branch, session.is_fresh = tid, tid, branch, False
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


def _ignore(_digest: bytes, _parts: Sequence[Buffer]) -> None:
    """Store nothing: what is packed was read from the store."""
