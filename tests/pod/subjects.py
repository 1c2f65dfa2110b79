"""What the state machine tries: pod's store, and a reference that takes every step again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

import pod
from harness.oracle import Portrait, portray
from tests.pod.elsewhere import Elsewhere
from tests.pod.sessions import RESET, Hiding, Session, Step, keeping, replayed

__all__ = ["PodSubject", "ReplaySubject", "Saved", "Subject"]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save said: its tid, and the variables that it could not save."""

    tid: int
    unsaved: frozenset[str]


class Subject(Protocol):
    """A store and the session that it saves."""

    session: Session

    def save(self, names: Iterable[str] | None = None, *, full: bool = False) -> Saved: ...

    def save_async(self) -> Callable[[], Saved]: ...

    def portrait(self, tid: int, names: Sequence[str] | None, *, elsewhere: bool) -> Portrait:
        """Load a version, in this process or in another, and return what it holds."""

    def resume(self, tid: int) -> None:
        """Go on from a version."""

    def reopen(self) -> None:
        """Close the store and open it again, as another process would."""

    def close(self) -> None: ...


class PodSubject:
    """pod's store in a folder, opened with these options, and each time with the next ones."""

    def __init__(
        self, folder: Path, elsewhere: Elsewhere | None = None, options: Sequence[Mapping[str, Any]] = ({},)
    ) -> None:
        self._folder = folder
        self._elsewhere = elsewhere
        self._options = cycle(options)
        self._store = pod.open(folder, **next(self._options))
        self.session = Session(pod.new_managed_namespace({"__name__": "__main__"}))

    def save(self, names: Iterable[str] | None = None, *, full: bool = False) -> Saved:
        chosen = None if names is None else list(names)
        return _saved(self._store.save(self.session.namespace, names=chosen, full=full))

    def save_async(self) -> Callable[[], Saved]:
        future = self._store.save_async(self.session.namespace)
        return lambda: _saved(future.result(60))

    def portrait(self, tid: int, names: Sequence[str] | None, *, elsewhere: bool) -> Portrait:
        if elsewhere and self._elsewhere is not None:
            return self._elsewhere.portrait(self._folder, tid, names)
        return portray(self._store.load(tid, names=names))

    def resume(self, tid: int) -> None:
        self.session = Session(self._store.load(tid), self.session.steps)
        self.session.do(RESET)

    def reopen(self) -> None:
        self._store.close()
        self._store = pod.open(self._folder, **next(self._options))

    def close(self) -> None:
        self._store.close()


def _saved(report: pod.SaveReport) -> Saved:
    return Saved(int(report), frozenset(unsaved.name for unsaved in report.unsaved))


class ReplaySubject:
    """A store that keeps the steps and takes them again: right in all that a session can do. Mutants derive from it."""

    def __init__(self, _folder: Path) -> None:
        self.session = Session(Hiding())
        self.versions: dict[int, list[Step]] = {}
        self.next_tid = 1

    def save(self, names: Iterable[str] | None = None, *, full: bool = False) -> Saved:
        whole = portray(self.session.namespace)
        good = [name for name in whole.names if not whole.reaches_opaque(name)]
        kept = set(good if names is None else names) & set(good)
        self.versions[self.next_tid] = [*self.session.steps, keeping(kept)]
        self.next_tid += 1
        wanted = whole.names if names is None else frozenset(names)
        return Saved(self.next_tid - 1, frozenset(wanted) - kept)

    def save_async(self) -> Callable[[], Saved]:
        saved = self.save()
        return lambda: saved

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        """Take the steps again; then only the names asked for are left."""
        steps = self.versions[tid]
        return replayed(steps if names is None else [*steps, keeping(names)]).namespace

    def portrait(self, tid: int, names: Sequence[str] | None, *, elsewhere: bool) -> Portrait:
        return portray(self.load(tid, names))

    def resume(self, tid: int) -> None:
        self.session = replayed(self.versions[tid])
        self.session.do(RESET)

    def reopen(self) -> None:
        """Nothing to close."""

    def close(self) -> None:
        """Nothing to close."""
