"""What a store knows of one namespace between saves, and how a save turns the namespace into pods.

A save goes like this. What was touched, was bound anew, or may be reached by somebody unknown gives the first active pods;
whatever they refer to, now or at the last save, is active too. The objects of active pods are forgotten, and the variables
that lie in them are written again, in the order of their names: who reaches an object first owns it. Objects with an oid
keep it, so pods that were not active, and are not written again, still refer to the right ones. An object that such a
pod refers to and no variable led to becomes the root of a pod of its own.

Should the graph lead into a pod that was thought untouched, it is added to the active ones and the save starts over.
"""

from __future__ import annotations

import weakref
from collections import Counter
from itertools import repeat
from operator import is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pod.errors import Corrupt, StoreFull, StoreReadOnly, StoreUnavailable
from pod.graph import Pod, Reducer, StaleMet, encode_atom
from pod.kernel import Encoder
from pod.store._host import Host, type_name, unsaved
from pod.store._record import Bound, elsewhere, pack_names, pack_pod, pack_pods, pods_below
from pod.store._report import Unsaved
from pod.tracking import Namespace, Watch, binds_as_before, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import Buffer

    from pod.podding import Podding
    from pod.store._host import Sink
    from pod.store._tree import Put
    from pod.tracking import Touched

_OF_THE_STORE: Final = (Corrupt, StoreFull, StoreReadOnly, StoreUnavailable)
_REFERENCES_OF_A_NAME: Final = 2  # from the namespace and from the session's own copy
_MISSING: Final = object()


class Encoded(NamedTuple):
    """What a save has to write of a namespace."""

    names: dict[str, Bound]
    pods: dict[int, Pod]
    new: list[Pod]
    unsaved: tuple[Unsaved, ...]
    changed: bool


class Session:
    """One namespace as one store knows it.

    Attributes
    ----------
    parent
        The version that the namespace was loaded from or saved as last.
    stored
        The version whose pieces the session takes for stored: None where it takes none.
    """

    def __init__(self, namespace: Mapping[str, Any], podding: Podding) -> None:
        self.namespace = weakref.ref(namespace) if isinstance(namespace, Namespace) else lambda: namespace
        self.is_own = isinstance(namespace, Namespace)
        self.parent: int | None = None
        self.branch: str | None = None
        watch = Watch(self._rebound if self.is_own else None)
        # A managed namespace holds the watch, which holds the session: what is let go of is freed at once.
        self._watch = weakref.ref(watch) if self.is_own else lambda: watch
        if isinstance(namespace, Namespace):
            namespace.watch(watch)
        self._podding = podding
        self._fresh()

    def _fresh(self) -> None:
        self._host = Host(self._podding)
        self.encoder = Encoder(self._host, self._podding.apart_least)
        self.names: dict[str, Bound] = {}
        self.pods: dict[int, Pod] = {}
        self.values: dict[int, bytes] = {}
        self.owners: dict[int, int] = {}
        self._seen: dict[str, object] = {}
        self._hidden: set[str] = set()
        self._exposed: list[int] = []
        self._uses: Counter[int | None] | None = None
        self._failed: set[str] = set()
        self._rooted: dict[str, Bound] | None = None  # the names that lie below the root
        self.names_root = b""
        self.pods_root = b""
        self.stored: int | None = None
        self.is_fresh = True

    @property
    def watch(self) -> Watch:
        """What the namespace tells of what is touched."""
        found = self._watch()
        if found is None:
            raise ReferenceError("the namespace is gone")
        return found

    @property
    def _mapping(self) -> Mapping[str, Any]:
        found = self.namespace()
        if found is None:
            raise ReferenceError("the namespace is gone")
        return found

    def reset(self) -> None:
        """Forget everything but the parent: the next save looks at all there is."""
        self._fresh()

    def learn(
        self,
        names: dict[str, Bound],
        values: Mapping[str, object],
        pods: Iterable[Pod],
        objects: Mapping[int, object],
        next_oid: int,
        put: Put,
    ) -> None:
        """Take over what a loaded version says of the namespace."""
        self.names = names
        self.encoder.next_oid = next_oid
        for pod in pods:
            self.pods[pod.oid] = pod
            self.owners[pod.oid] = pod.oid
            self.values[pod.oid] = pack_pod(pod, put)
            for oid in pod.exports:
                self.owners[oid] = pod.oid
        for oid, obj in objects.items():
            if oid in self.owners:
                pod = self.pods[self.owners[oid]]
                self.encoder.adopt(obj, pod, pod.exports.get(oid, 0), oid)
        self._summarize()
        self._seen = {name: values[name] for name in names}
        self.is_fresh = False

    def _rebound(self, name: str) -> None:
        """Let go of what a name was bound to, so that memory that the user frees is free."""
        value = self._seen.pop(name, _MISSING)
        bound = self.names.get(name)
        if value is _MISSING or bound is None or bound.oid is None:
            return
        if bound.oid not in self.pods[self.owners[bound.oid]].exports:
            return  # the object lies in another pod, under an oid of its own
        if self._uses is None:
            self._uses = Counter(known.oid for known in self.names.values())
            for pod in self.pods.values():
                self._uses.update(pod.references)
        self._uses[bound.oid] -= 1
        if self._uses[bound.oid] == 0:
            self.encoder.release(value)

    def _current(self, chosen: Iterable[str] | None) -> dict[str, object]:
        found = variables_of(self._mapping)
        return found if chosen is None else {name: found[name] for name in chosen if name in found}

    def encode(self, touched: Touched, chosen: Iterable[str] | None, sink: Sink) -> Encoded:
        """Write what may have changed; `commit` or `reset` must follow."""
        if chosen is None and self._is_untouched(touched):
            return Encoded(self.names, self.pods, [], (), changed=False)
        current = self._current(chosen)
        everything = touched.everything or self.is_fresh
        seen = self._seen
        if everything:
            names = set(current)
        else:
            names = _rebound(seen, current)
            names |= touched.names & current.keys()
            names |= self._failed & current.keys()
        gone = self.names.keys() - current.keys() - self._hidden
        self._seen = current
        self._uses = None
        seen = {}
        first = [self.names[name].oid for name in (*names, *gone) if name in self.names]
        first += [self.names[name].oid for name in self._hidden]
        roots = [self.owners[oid] for oid in first if oid in self.owners]
        roots += self.pods if everything else self._exposed
        active = self._closure(roots)
        if not active and not names and not gone and not self._hidden:
            return Encoded(self.names, self.pods, [], (), changed=False)
        written: list[Pod] = []
        self._host.reducer = Reducer(self._mapping)
        self.encoder.namespace = self._mapping
        self._host.sink = sink
        try:
            while True:
                self.encoder.begin([*(self.pods[oid] for oid in active), *written])
                written = []
                try:
                    return self._write(current, names, active, written)
                except StaleMet as met:
                    active |= self._closure([met.args[0]])
        finally:
            del self._host.sink

    def _is_untouched(self, touched: Touched) -> bool:
        """Say whether nothing can have changed; what follows would find out, too, but list the variables for it."""
        suspects = touched.everything or touched.names or self._hidden or self._exposed or self._failed
        return not (suspects or self.is_fresh) and (
            len(self._seen) == len(self.names) and binds_as_before(self._mapping, self._seen)
        )

    def roots(self, encoded: Encoded, sink: Sink) -> tuple[bytes, bytes]:
        """Store the maps of names and of pods; return their roots."""
        pieces: list[tuple[bytes, Sequence[Buffer]]] = []

        def put(digest: bytes, parts: Sequence[Buffer]) -> None:
            pieces.append((digest, parts))

        if encoded.changed or not self.names_root:
            for pod in encoded.new:
                self.values[pod.oid] = pack_pod(pod, put)
            self.values = {oid: self.values[oid] for oid in self.pods}
            values = [*self.values.items()]
            values += [(oid, elsewhere(owner)) for oid, owner in self.owners.items() if oid != owner]
            if self.names != self._rooted:
                self.names_root = pack_names(self.names, put)
                self._rooted = self.names
            self.pods_root = pack_pods(values, put)
            sink.put_all(pieces)  # many at once cost less
        return self.names_root, self.pods_root

    def _summarize(self) -> None:
        """Note what every save asks for, so that one that changes nothing need not walk through all names and pods."""
        self._hidden = {name for name, bound in self.names.items() if bound.hidden}
        self._exposed = [oid for oid, pod in self.pods.items() if pod.exposed]

    @property
    def count(self) -> int:
        """How many variables there are, the hidden ones apart."""
        return len(self.names) - len(self._hidden)

    def _closure(self, roots: Iterable[int]) -> set[int]:
        """Return the pods that can be reached from some."""
        found = set(roots)
        pending = list(found)
        while pending:
            for oid in self.pods[pending.pop()].references:
                owner = self.owners.get(oid)
                if owner is not None and owner not in found:
                    found.add(owner)
                    pending.append(owner)
        return found

    def _write(
        self, current: dict[str, object], names: set[str], active: set[int], written: list[Pod]
    ) -> Encoded:
        bound = {name: known for name, known in self.names.items() if name in current and name not in names}
        lost: dict[str, Unsaved] = {}
        for name in sorted(current):
            old = bound.get(name)
            if old is None or self.owners.get(old.oid or 0, -1) in active:
                self._bind(name, current[name], bound, lost, written, hidden=False)
        self._bind_hidden(current, bound, lost, written, active)
        inactive = [pod for oid, pod in self.pods.items() if oid not in active]
        self._rescue(inactive, written, lost)
        pods = {pod.oid: pod for pod in (*inactive, *written)}
        owners = {oid: pod.oid for pod in pods.values() for oid in (*pod.exports, pod.oid)}
        self._drop_broken(bound, pods, owners, lost, current)
        every = pods
        pods = pods_below(bound, pods, owners)
        self.encoder.drop(pod for oid, pod in every.items() if oid not in pods)
        written = [pod for pod in written if pod.oid in pods]
        self._finish(current, bound, pods, owners, written)
        self.names, self.pods, self.owners = bound, pods, owners
        self._summarize()
        self._failed = set(lost)
        return Encoded(bound, pods, written, tuple(lost[name] for name in sorted(lost)), changed=True)

    def _bind(
        self,
        name: str,
        value: object,
        bound: dict[str, Bound],
        lost: dict[str, Unsaved],
        written: list[Pod],
        *,
        hidden: bool,
    ) -> None:
        """Write a variable, if no pod holds its object yet."""
        atom = encode_atom(value)
        if atom is not None:
            bound[name] = Bound(None, atom, hidden)
            return
        try:
            found = self.encoder.locate(value)
            if found is None:
                made = self.encoder.encode(value)
                written += made
                oid = made[-1].oid
            else:
                oid = found
        except (StaleMet, MemoryError, *_OF_THE_STORE):
            raise
        except Exception as error:  # noqa: BLE001  (whatever a value's own code raises is the reason that is reported)
            bound.pop(name, None)
            lost[name] = unsaved(name, value, error)
        else:
            new, old = Bound(oid, b"", hidden), self.names.get(name)
            bound[name] = old if old == new else new  # most names are bound as they were

    def _bind_hidden(
        self,
        current: dict[str, object],
        bound: dict[str, Bound],
        lost: dict[str, Unsaved],
        written: list[Pod],
        active: set[int],
    ) -> None:
        """Write what functions need of the namespace and is no variable of this version."""
        done: set[str] = set()
        while True:
            kept = [pod for oid, pod in self.pods.items() if oid not in active]
            needed = {name for pod in (*kept, *written) for name in pod.needs}
            missing = sorted(name for name in needed - bound.keys() - done - lost.keys() if _may_hide(name))
            found = [(name, self._hidden_value(name)) for name in missing]
            done.update(missing)
            if not any(value is not _MISSING for _name, value in found):
                return
            for name, value in found:
                if value is not _MISSING:
                    self._bind(name, value, bound, lost, written, hidden=True)
                    lost.pop(name, None)

    def _hidden_value(self, name: str) -> object:
        mapping = self._mapping
        if isinstance(mapping, dict):
            found = dict.get(mapping, name, _MISSING)
        else:
            found = mapping.get(name, _MISSING)
        if found is _MISSING and isinstance(mapping, Namespace):
            found = mapping.hidden.get(name, _MISSING)
        return found

    def _rescue(self, inactive: list[Pod], written: list[Pod], lost: dict[str, Unsaved]) -> None:
        """Write objects that only pods that are not written again lead to."""
        referred = {oid for pod in inactive for oid in pod.references}
        for oid, obj in sorted(self.encoder.labels().items()):
            if oid in referred and oid in self.encoder.labels():
                try:
                    written += self.encoder.encode(obj, oid)
                except (StaleMet, MemoryError, *_OF_THE_STORE):
                    raise
                except Exception as error:  # noqa: BLE001  (as in `_bind`)
                    lost[f"\0{oid}"] = unsaved("", obj, error)

    def _drop_broken(
        self,
        bound: dict[str, Bound],
        pods: dict[int, Pod],
        owners: dict[int, int],
        lost: dict[str, Unsaved],
        current: dict[str, object],
    ) -> None:
        """Report the variables whose pods refer to an object that could not be saved."""
        causes = [lost.pop(key) for key in list(lost) if key.startswith("\0")]
        if not causes and not lost:
            return
        broken = {oid for oid, pod in pods.items() if any(found not in owners for found in pod.references)}
        grown = True
        while grown:
            more = {
                oid
                for oid, pod in pods.items()
                if oid not in broken and any(owners.get(found) in broken for found in pod.references)
            }
            broken |= more
            grown = bool(more)
        reason = causes[0].reason if causes else "it refers to an object that could not be saved"
        for name, known in list(bound.items()):
            if known.oid is not None and (known.oid not in owners or owners[known.oid] in broken):
                del bound[name]
                if not known.hidden:
                    lost[name] = Unsaved(name, type_name(current[name]), reason)

    def _finish(
        self,
        current: dict[str, object],
        bound: dict[str, Bound],
        pods: dict[int, Pod],
        owners: dict[int, int],
        written: list[Pod],
    ) -> None:
        """Find out which pods hold an object that somebody unknown refers to."""
        fresh = {pod.oid for pod in written}
        for name, known in bound.items():
            if known.oid is not None and owners[known.oid] in fresh and name in current:
                self.encoder.count(current[name], _REFERENCES_OF_A_NAME)
        outside: dict[int, int] = {}
        for oid, pod in pods.items():
            if oid not in fresh:
                for found, count in zip(pod.references, pod.counts, strict=True):
                    outside[found] = outside.get(found, 0) + count
        self._host.reducer = Reducer(None)
        self.encoder.namespace = None
        self.encoder.finish(written, outside)


def _rebound(seen: dict[str, object], current: dict[str, object]) -> set[str]:
    """Return the names that are bound to another object than when they were last seen."""
    if len(seen) == len(current) and all(
        map(is_, map(seen.get, current, repeat(_MISSING)), current.values())
    ):
        return set()
    return {name for name, value in current.items() if seen.get(name, _MISSING) is not value}


def _may_hide(name: str) -> bool:
    return not (name.startswith("__") and name.endswith("__"))
