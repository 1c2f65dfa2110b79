"""Stores that are wrong in one way each. The oracle and the state machine must tell every one from a right store."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from harness.oracle import portray
from tests.pod.sessions import keeping, replayed
from tests.pod.subjects import ReplaySubject, Saved

__all__ = ["MUTANTS"]

_COPIED: Final = (list, dict, set, tuple)


class LostAliasing(ReplaySubject):
    """One variable comes back as a copy of its own."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        for name in ("p", "q"):
            if type(namespace.get(name)) in _COPIED:
                namespace[name] = copy.deepcopy(namespace[name])
        return namespace


class VariablesApart(ReplaySubject):
    """A partial load takes each variable from a load of its own."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        if names is not None:
            for name in names[1:]:
                namespace[name] = super().load(tid, [name])[name]
        return namespace


class StaleValue(ReplaySubject):
    """A list that was changed in place, and not assigned again, is the one of the first save."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        first = super().load(min(self.versions), None)
        for name, value in namespace.items():
            if type(value) is list and type(first.get(name)) is list:
                value[:] = first[name]  # type: ignore[call-overload]
        return namespace


class LostRebinding(ReplaySubject):
    """`global` statements and `globals().update` are not seen."""

    def save(self, names: Iterable[str] | None = None, *, full: bool = False) -> Saved:
        saved = super().save(names, full=full)
        steps = self.versions[saved.tid]
        seen = [step for step in steps if "global " not in step.text and "update" not in step.text]
        self.versions[saved.tid] = seen
        return saved


class LostView(ReplaySubject):
    """Array views come back as arrays of their own."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        for name, value in namespace.items():
            if isinstance(value, np.ndarray) and value.base is not None:
                namespace[name] = value.copy()
        return namespace


class ReadOnlyArrays(ReplaySubject):
    """Arrays come back over buffers that cannot be written."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        for value in namespace.values():
            if type(value) is np.ndarray:
                value.flags.writeable = False
        return namespace


class OverwrittenVersion(ReplaySubject):
    """After a restart the count of versions begins anew, and the first one is lost."""

    def reopen(self) -> None:
        if len(self.versions) > 1:
            self.versions[min(self.versions)] = self.versions[max(self.versions)]


class RestartedCount(ReplaySubject):
    """After a restart tids begin anew."""

    def reopen(self) -> None:
        self.next_tid = 1


class TornSnapshot(ReplaySubject):
    """An asynchronous save holds what the session held when it was written, not when it was called."""

    def save_async(self) -> Callable[[], Saved]:
        return self.save


class LostCell(ReplaySubject):
    """Functions come back with closure cells of their own."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        for name, value in namespace.items():
            if isinstance(value, types.FunctionType) and value.__closure__:
                cells = tuple(types.CellType(cell.cell_contents) for cell in value.__closure__)
                again = types.FunctionType(value.__code__, value.__globals__, value.__name__, closure=cells)
                again.__qualname__ = value.__qualname__
                namespace[name] = again
        return namespace


class OtherGlobals(ReplaySubject):
    """Functions come back with globals that are not the namespace."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        return dict(super().load(tid, names))


class LostDict(ReplaySubject):
    """The dict of an instance that a variable holds too comes back as a copy."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        for name, value in namespace.items():
            if type(value) is dict:
                namespace[name] = dict(value)
        return namespace


class OtherType(ReplaySubject):
    """Whole numbers come back as floats."""

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        for name, value in namespace.items():
            if type(value) is int:
                namespace[name] = float(value)
        return namespace


class DroppedName(ReplaySubject):
    """A variable is left out, and nobody says so."""

    def save(self, names: Iterable[str] | None = None, *, full: bool = False) -> Saved:
        saved = super().save(names, full=full)
        kept = set(replayed(self.versions[saved.tid]).names()) - {"p"}
        self.versions[saved.tid].append(keeping(kept))
        return saved


class KeptName(ReplaySubject):
    """A variable that was deleted comes back."""

    def save(self, names: Iterable[str] | None = None, *, full: bool = False) -> Saved:
        saved = super().save(names, full=full)
        if names is None:
            deleting = ("del ", "globals().pop", "globals().__delitem__")
            self.versions[saved.tid] = [s for s in self.session.steps if not s.text.startswith(deleting)]
        return saved


class TouchedNames(ReplaySubject):
    """Lists are looked at when a statement spells their name: what changes through another name stays as it was."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._spelled: dict[int, str] = {}
        self._at = 0

    def save(self, names: Iterable[str] | None = None, *, full: bool = False) -> Saved:
        saved = super().save(names, full=full)
        self._spelled[saved.tid] = "".join(step.text for step in self.session.steps[self._at :])
        self._at = len(self.session.steps)
        return saved

    def load(self, tid: int, names: Sequence[str] | None) -> dict[str, object]:
        namespace = super().load(tid, names)
        before = super().load(tid - 1, None) if tid - 1 in self.versions else {}
        for name, value in namespace.items():
            old = before.get(name)
            if type(value) is list and type(old) is list and name not in self._spelled[tid]:
                value[:] = old
        return namespace


class Unsaveable(ReplaySubject):
    """Gives up a variable that could have been saved."""

    def save(self, names: Iterable[str] | None = None, *, full: bool = False) -> Saved:
        saved = super().save(names, full=full)
        shared = portray(self.session.namespace).names & {"p"}
        return Saved(saved.tid, saved.unsaved | shared)


MUTANTS: Final = (
    DroppedName,
    KeptName,
    LostAliasing,
    LostCell,
    LostDict,
    LostRebinding,
    LostView,
    OtherGlobals,
    OtherType,
    OverwrittenVersion,
    ReadOnlyArrays,
    RestartedCount,
    StaleValue,
    TornSnapshot,
    TouchedNames,
    Unsaveable,
    VariablesApart,
)
