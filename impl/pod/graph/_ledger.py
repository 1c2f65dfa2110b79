"""What an encoder knows of objects, from save to save: which pod holds each, its oid, and who refers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pod.graph._atoms import is_atom
from pod.graph._exposure import Entry, explain
from pod.graph._types import StaleMet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pod.graph._types import Pod


class Ledger:
    """The table object -> (pod, ordinal, oid), and what is counted on the way.

    Between saves it holds references to no objects but those that have an oid.
    """

    def __init__(self) -> None:
        self._table: dict[int, Entry] = {}
        self._labels: dict[
            int, tuple[object, int]
        ] = {}  # of objects with an oid that are not written yet in this save
        self._journal: list[int] = []  # objects that the root that is being written entered
        self._borrowed: list[Entry] = []  # objects of other pods, once for each reference from that root
        self._before = (0, 0)  # how long the lists below were when it was begun
        self._serial = 0
        self._next_oid = 1
        self._clear()

    def _clear(self) -> None:
        """Forget what lasts as long as one save."""
        self._temporaries: list[object] = []
        self._doubtful: set[int] = set()
        self._opaque: list[tuple[object, Sequence[Any], Pod]] = []
        self._globals: dict[int, tuple[object, tuple[str, str]]] = {}
        self._plain: dict[type, bool] = {}

    @property
    def next_oid(self) -> int:
        """The oid that the next object with one gets."""
        return self._next_oid

    @next_oid.setter
    def next_oid(self, value: int) -> None:
        self._next_oid = value

    def begin(self, active: Iterable[Pod]) -> None:
        """Begin a save in which these pods are written anew; of their objects, only those with an oid are remembered."""
        self._serial += 1
        for pod in active:
            for key in pod.entries:
                entry = self._table.get(key)
                if entry is not None and entry.pod is pod:
                    del self._table[key]
                    if entry.oid:
                        self._labels[key] = (entry.obj, entry.oid)
            pod.entries = ()

    def drop(self, pods: Iterable[Pod]) -> None:
        """Forget the objects of pods that are no more."""
        for pod in pods:
            for key in pod.entries:
                entry = self._table.get(key)
                if entry is not None and entry.pod is pod:
                    del self._table[key]
            pod.entries = ()

    def labels(self) -> dict[int, object]:
        """Return oid -> object of what has an oid and was not written yet in this save."""
        return {oid: obj for obj, oid in self._labels.values()}

    def held(self) -> list[object]:
        """Return the objects to which there are references between saves, once for each."""
        return [entry.obj for entry in self._table.values()]

    def locate(self, obj: object) -> int | None:
        """Return the oid of an object that a pod of this save holds (a new one if it has none), None if none does."""
        entry = self._known(obj)
        if entry is None:
            return None
        self._name(entry)
        return entry.oid

    def release(self, obj: object) -> None:
        """Forget an object, so that its memory can be freed."""
        self._table.pop(id(obj), None)

    def count(self, obj: object, edges: int = 1) -> None:
        """Count references to an object that are explained from outside the graph."""
        entry = self._table.get(id(obj))
        if entry is not None:
            entry.edges += edges

    def adopt(self, obj: object, pod: Pod, ordinal: int, oid: int) -> None:
        """Learn an object with an oid from a version that was loaded."""
        if is_atom(obj):
            return
        entry = Entry(obj, pod, ordinal, oid)
        self._table[id(obj)] = entry
        pod.entries.append(id(obj))

    def finish(self, pods: Iterable[Pod], outside: dict[int, int]) -> None:
        """End a save: mark pods that hold an object with more references than the graph explains; drop what is not needed.

        Parameters
        ----------
        pods
            All that were written in this save.
        outside
            oid -> number of references from pods that were not.
        """
        pods = list(pods)
        self._mark_exposed(pods, outside)
        made = bool(self._temporaries)
        self._clear()
        self._labels.clear()
        keys = [key for pod in pods for key in pod.entries if self._is_passing(key, pod)]
        if made:
            keys = self._forget_dead(keys)
        for key in keys:
            self._table[key].obj = None

    def _mark_exposed(self, pods: list[Pod], outside: dict[int, int]) -> None:
        explain(self._table, self._opaque, pods)
        self._opaque = []
        for pod in pods:
            for key in pod.entries:
                entry = self._table.get(key)
                if entry is not None and entry.oid:
                    entry.edges += outside.get(entry.oid, 0)
        for pod in pods:
            pod.exposed = pod.oid in self._doubtful or any(
                entry.is_exposed for key in pod.entries if (entry := self._table.get(key)) is not None
            )

    def _is_passing(self, key: int, pod: Pod) -> bool:
        """Say whether an object lies in a pod, and there is to be no reference to it after the save."""
        entry = self._table.get(key)
        return entry is not None and entry.pod is pod and not entry.oid

    def _forget_dead(self, keys: list[int]) -> list[int]:
        """Forget what was made to be written, and nobody holds any more: who is met at its address is another.

        Returns
        -------
        list of int
            The keys of those that live.
        """
        while True:
            alive = []
            for key in keys:
                if self._table[key].is_last:
                    del self._table[key]  # what it holds may be dead now, too
                else:
                    alive.append(key)
            if len(alive) == len(keys):
                return alive
            keys = alive[::-1]

    # While a root is written

    def _known(self, obj: object) -> Entry | None:
        """Return what is known of an object that a pod of this save holds."""
        entry = self._table.get(id(obj))
        if entry is not None and entry.pod.serial != self._serial:
            raise StaleMet(entry.pod.oid)
        return entry

    def _enter(self, obj: object, pod: Pod, ordinal: int) -> Entry:
        """Note that a pod that is being written holds an object."""
        label = self._labels.pop(id(obj), None)
        entry = Entry(obj, pod, ordinal, label[1] if label else 0)
        if label:
            pod.exports[label[1]] = ordinal
        self._table[id(obj)] = entry
        pod.entries.append(id(obj))
        self._journal.append(id(obj))
        return entry

    def _start(self) -> None:
        """Begin to note what a root enters and counts."""
        self._journal = []
        self._borrowed = []
        self._before = (len(self._opaque), len(self._temporaries))

    def _count(self, entry: Entry, edge: int, pod: Pod) -> None:
        """Count a reference from a pod to an object that is known."""
        entry.edges += edge
        if edge and entry.pod is not pod:
            self._borrowed.append(entry)

    def _undo(self) -> None:
        """Forget what was entered and counted since `_start`."""
        for known in self._borrowed:
            known.edges -= 1
        del self._opaque[self._before[0] :]
        del self._temporaries[self._before[1] :]
        for key in self._journal:
            entry = self._table.pop(key, None)
            if entry is not None and entry.oid and key not in self._labels:
                self._labels[key] = (entry.obj, entry.oid)

    def _new_oid(self) -> int:
        oid = self._next_oid
        self._next_oid += 1
        return oid

    def _label(self, obj: object) -> int:
        """Return the oid that an object had in the save before, 0 without one."""
        label = self._labels.get(id(obj))
        return label[1] if label else 0

    def _name(self, entry: Entry) -> None:
        """See that an object has an oid, and that its pod tells it."""
        if not entry.oid:
            entry.oid = self._new_oid()
        entry.pod.exports.setdefault(entry.oid, entry.ordinal)

    def _root(self, entry: Entry, pod: Pod) -> None:
        """Give a pod's oid to its root, unless that lies in another pod or has one."""
        if entry.pod is pod:
            entry.oid = entry.oid or pod.oid
            pod.exports[entry.oid] = entry.ordinal
