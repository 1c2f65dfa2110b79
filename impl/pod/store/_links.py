"""Which pods a save must look at, because those that it looks at lead to them.

Ours follows every reference. The published system's (`fidelity="paper"`) leaves out those into and out of pods whose root is of
a type that it takes for immutable, though a tuple, a function, a class or a frame holds what can change: what is shared
through one of them is saved stale. It then writes what it meets and did not look for a second time, as if unknown; and what
it wrote before stays for those who refer to it and are not written again.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pod.graph import Pod
    from pod.kernel import Encoder

_IMMUTABLE: Final = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    tuple,
    frozenset,
    type(None),
    type,
    types.FunctionType,
    types.ModuleType,
    types.CodeType,
)
_STATE_OF_A_FRAME: Final = frozenset({"_mgr", "_typ", "_metadata", "attrs", "_flags"})


class Links:
    """All references connect.

    Attributes
    ----------
    connect
        Whether a pod that is met and was not looked for is looked at after all; else what is met is written again.
    """

    connect = True

    def root(self, oid: int, value: object) -> None:
        """Learn what a pod's root is."""

    def cut_out(self, encoder: Encoder, value: object) -> None:
        """Learn that an object is about to be cut out as a pod of its own."""

    def roots(self, oids: Iterable[int], owners: Mapping[int, int]) -> set[int]:
        """Return the pods that hold the objects that names are bound to."""
        return {owners[oid] for oid in oids if oid in owners}

    def closure(self, roots: Iterable[int], pods: Mapping[int, Pod], owners: Mapping[int, int]) -> set[int]:
        """Return the pods that can be reached from some."""
        return reached(roots, pods, owners)

    def kept(self, active: set[int], pods: Mapping[int, Pod], owners: Mapping[int, int]) -> set[int]:
        """Return the pods that stay as they are although they are written again."""
        return set()


class PublishedLinks(Links):
    """References connect in both directions, but for those from and to pods of "immutable" roots."""

    connect = False

    def __init__(self) -> None:
        self._immutable: set[int] = set()

    def root(self, oid: int, value: object) -> None:
        """Learn what a pod's root is."""
        if _is_immutable(value):
            self._immutable.add(oid)
        else:
            self._immutable.discard(oid)

    def cut_out(self, encoder: Encoder, value: object) -> None:
        """Learn that an object is about to be cut out: its pod gets the next oid, unless it had one."""
        if not any(known is value for known in encoder.labels().values()):
            self.root(encoder.next_oid, value)

    def roots(self, oids: Iterable[int], owners: Mapping[int, int]) -> set[int]:
        """Return these pods, but for "immutable" ones of another variable's."""
        return {
            owners[oid]
            for oid in oids
            if oid in owners and (owners[oid] == oid or owners[oid] not in self._immutable)
        }

    def closure(self, roots: Iterable[int], pods: Mapping[int, Pod], owners: Mapping[int, int]) -> set[int]:
        """Return the pods that are connected with some."""
        neighbours: dict[int, set[int]] = {}
        for oid in pods.keys() - self._immutable:
            for reference in pods[oid].references:
                owner = owners.get(reference)
                if owner is not None and owner not in self._immutable:
                    neighbours.setdefault(oid, set()).add(owner)
                    neighbours.setdefault(owner, set()).add(oid)
        found = set(roots)
        pending = list(found)
        while pending:
            for oid in neighbours.get(pending.pop(), set()) - found:
                found.add(oid)
                pending.append(oid)
        return found

    def kept(self, active: set[int], pods: Mapping[int, Pod], owners: Mapping[int, int]) -> set[int]:
        """Return the active pods that an inactive one leads to: it goes on meaning what they were."""
        return active & reached(pods.keys() - active, pods, owners)


def reached(roots: Iterable[int], pods: Mapping[int, Pod], owners: Mapping[int, int]) -> set[int]:
    """Return the pods that can be reached from some by references, these among them."""
    found = set(roots)
    pending = list(found)
    while pending:
        for oid in pods[pending.pop()].references:
            owner = owners.get(oid)
            if owner is not None and owner not in found:
                found.add(owner)
                pending.append(owner)
    return found


def users_of(roots: Iterable[int], pods: Mapping[int, Pod], owners: Mapping[int, int]) -> set[int]:
    """Return the pods from which some can be reached, these among them."""
    users: dict[int, list[int]] = {}
    for oid, pod in pods.items():
        for reference in pod.references:
            if reference in owners:
                users.setdefault(owners[reference], []).append(oid)
    found = set(roots)
    pending = list(found)
    while pending:
        for oid in users.get(pending.pop(), ()):
            if oid not in found:
                found.add(oid)
                pending.append(oid)
    return found


def _is_immutable(value: object) -> bool:
    cls = type(value)
    pandas = sys.modules.get("pandas")
    return (
        issubclass(cls, _IMMUTABLE)
        or (isinstance(value, dict) and dict.keys(value) >= _STATE_OF_A_FRAME)
        or (pandas is not None and issubclass(cls, pandas.DataFrame))
    )
