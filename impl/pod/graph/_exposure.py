"""Who holds what: references that were seen, against those that the interpreter counts."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any, Final

from pod.graph._types import Pod

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence


class Entry:
    """What is known of one object: the pod that holds it, its ordinal there, and the references to it seen."""

    __slots__ = ("edges", "immutable", "obj", "oid", "ordinal", "pod")

    def __init__(self, obj: object, pod: Pod, ordinal: int, oid: int) -> None:
        self.obj: object = obj
        self.pod = pod
        self.ordinal = ordinal
        self.oid = oid
        self.edges = 0
        self.immutable = False

    @property
    def is_exposed(self) -> bool:
        """Whether somebody holds the object whom the graph does not know, and could change it."""
        if self.immutable or self.obj is None:
            return False
        return sys.getrefcount(self.obj) - _ENTRY_REFERENCES > self.edges

    @property
    def is_last(self) -> bool:
        """Whether nobody else holds the object."""
        return sys.getrefcount(self.obj) - _ENTRY_REFERENCES == 0


class Reach:
    """Which pods of one save each of them leads to, by the references that are stored.

    Parameters
    ----------
    pods
        All that were written in the save: none of them leads to any other.
    """

    def __init__(self, pods: Iterable[Pod]) -> None:
        self._pods = {pod.oid: pod for pod in pods}
        self._owners = {oid: pod.oid for pod in self._pods.values() for oid in (*pod.exports, pod.oid)}
        self._from = 0
        self._direct: set[int] = set()  # the pods that `_from` refers to
        self._every: set[int] | None = None  # those that it leads to, once they are asked for

    def __call__(self, oid: int, other: int, /) -> bool:
        """Say whether one pod leads to another: mostly it refers to it, and there may be very many further on."""
        if oid != self._from:
            self._from = oid
            self._direct = {oid, *self._below(oid)}
            self._every = None
        if other in self._direct:
            return True
        if self._every is None:
            self._every = self._all_below()
        return other in self._every

    def _below(self, oid: int) -> Iterator[int]:
        pod = self._pods.get(oid)
        for reference in () if pod is None else pod.references:
            owner = self._owners.get(reference)
            if owner is not None:
                yield owner

    def _all_below(self) -> set[int]:
        found = set(self._direct)
        pending = list(found)
        while pending:
            for owner in self._below(pending.pop()):
                if owner not in found:
                    found.add(owner)
                    pending.append(owner)
        return found


def explain(
    table: Mapping[int, Entry], opaque: Sequence[tuple[object, Sequence[Any], Pod]], pods: Iterable[Pod]
) -> None:
    """Count the references that opaque objects hold, directly and through what is theirs alone.

    A reference into another pod counts if looking at the object's pod means looking at that one too. One that is not stored, for
    what the object is reduced to lacks it, does not make its pod lead there: whoever follows it is a stranger.
    """
    if not opaque:
        return
    reach = Reach(pods)
    for obj, holds, pod in opaque:

        def count(entry: Entry, pod: Pod = pod) -> None:
            if entry.pod is pod or entry.immutable or reach(pod.oid, entry.pod.oid):
                entry.edges += 1

        for held in holds:
            entry = table.get(id(held))
            if entry is not None:
                count(entry)
        pending = [obj]
        met: dict[int, int] = {}  # how often, of what several of its objects hold
        while pending:
            below = gc.get_referents(pending.pop())
            while below:
                found = below.pop()
                entry = table.get(id(found))
                if entry is not None:
                    count(entry)
                elif gc.is_tracked(found) and _is_its_alone(found, met):
                    pending.append(found)


def _is_its_alone(found: object, met: dict[int, int]) -> bool:
    """Say whether all references to an object that was met were followed."""
    references = sys.getrefcount(found) - _REFERENT_REFERENCES
    if references <= 1:
        return True
    if references > _FEW or (len(met) == _MET_MOST and id(found) not in met):
        return False
    met[id(found)] = met.get(id(found), 0) + 1
    return met[id(found)] == references


class _Probe:
    """An instance whose dict nobody else holds, to learn what `getrefcount` says of one."""


def _measure() -> tuple[int, int, int]:
    """Learn how many references our own frames add in this interpreter."""

    def dict_frame(attributes: dict[str, Any]) -> Generator[int, None, None]:
        yield sys.getrefcount(attributes)

    def own_dict(obj: Any) -> Generator[int, None, None]:
        yield from dict_frame(obj.__dict__)

    def referent(found: object) -> int:
        return sys.getrefcount(found)

    probe = _Probe()
    probe.__dict__["x"] = 1
    private_dict = next(own_dict(probe))
    holder = [[probe]]
    below = gc.get_referents(holder)
    found = below.pop()
    entry = Entry([], Pod(0, 0), 0, 0)
    return private_dict, referent(found) - 1, sys.getrefcount(entry.obj)


PRIVATE_DICT, _REFERENT_REFERENCES, _ENTRY_REFERENCES = _measure()
_FEW: Final = 8  # what has more references is taken for a stranger's, too
_MET_MOST: Final = 64
