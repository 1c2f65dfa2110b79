"""Who holds what: references that were seen, against those that the interpreter counts."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from pod.graph._types import Pod

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence


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


def explain(table: Mapping[int, Entry], opaque: Iterable[tuple[object, Sequence[Any]]]) -> None:
    """Count the references that opaque objects hold, directly and through what is theirs alone."""
    for obj, holds in opaque:
        for held in holds:
            entry = table.get(id(held))
            if entry is not None:
                entry.edges += 1
        pending = [obj]
        while pending:
            for found in gc.get_referents(pending.pop()):
                entry = table.get(id(found))
                if entry is not None:
                    entry.edges += 1
                elif gc.is_tracked(found) and sys.getrefcount(found) <= _PRIVATE_REFERENT:
                    pending.append(found)


class _Probe:
    """An instance whose dict nobody else holds, to learn what `getrefcount` says of one."""


def _measure() -> tuple[int, int, int]:
    """Learn how many references our own frames add in this interpreter."""

    def dict_frame(attributes: dict[str, Any]) -> Generator[int, None, None]:
        yield sys.getrefcount(attributes)

    def own_dict(obj: Any) -> Generator[int, None, None]:
        yield from dict_frame(obj.__dict__)

    probe = _Probe()
    probe.__dict__["x"] = 1
    private_dict = next(own_dict(probe))
    holder = [[probe]]
    referent = 0
    for found in gc.get_referents(holder):
        referent = sys.getrefcount(found)
    entry = Entry([], Pod(0, 0), 0, 0)
    return private_dict, referent, sys.getrefcount(entry.obj)


PRIVATE_DICT, _PRIVATE_REFERENT, _ENTRY_REFERENCES = _measure()
