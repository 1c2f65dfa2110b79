"""What a store knows of one namespace between saves, and how a save turns the namespace into pods.

A save goes like this. What was touched, was bound anew, or may be reached by somebody unknown gives the first active pods;
whatever they refer to, now or at the last save, is active too. The objects of active pods are forgotten, and the variables
that lie in them are written again, in the order of their names: who reaches an object first owns it. Objects with an oid
keep it, so pods that were not active, and are not written again, still refer to the right ones. An object that such a
pod refers to and no variable led to becomes the root of a pod of its own.

Should the graph lead into a pod that was thought untouched, it is added to the active ones and the save starts over.

A save may stop once, when all is written that could change under its hands (`_guard`), and go on in another thread. From there
on it cannot start over, nor need it: a pod of whose objects one is met then only has an address in common with it.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from itertools import repeat
from operator import is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pod.errors import Corrupt, StoreFull, StoreReadOnly, StoreUnavailable
from pod.graph import Pod, Reducer, StaleMet, encode_atom
from pod.kernel import Encoder, in_kernel
from pod.store._host import unsaved
from pod.store._links import users_of
from pod.store._losses import drop_broken
from pod.store._record import Bound, elsewhere, pack_names, pack_pod, pack_pods, pods_below
from pod.store._report import Unsaved
from pod.store._steps import Encoded, Suspects, finished
from pod.tracking import Followed, Namespace, Watch, binds_as_before, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence

    from typing_extensions import Buffer

    from pod.podding import Podding
    from pod.store._coats import Coats
    from pod.store._host import Sink
    from pod.store._links import Links
    from pod.store._tree import Put
    from pod.tracking import Touched

_OF_THE_STORE: Final = (Corrupt, StoreFull, StoreReadOnly, StoreUnavailable)
_REFERENCES_OF_A_NAME: Final = 2  # from the namespace and from the session's own copy
_MISSING: Final = object()


class Policies(NamedTuple):
    """What a store's sessions have in common: what becomes a pod, what pods wear, and which references connect them."""

    podding: Podding
    coats: Coats
    links: type[Links]


class Session:
    """One namespace as one store knows it.

    Attributes
    ----------
    parent
        The version that the namespace was loaded from or saved as last.
    stored
        The version whose pieces the session takes for stored: None where it takes none.
    coats
        What pods wear; of the whole store.
    has_coats
        Whether any pod wears one.
    cells, failed
        The sources of what ran since the last save of a followed dict, and whether the last of them failed.
    looked_at
        At how many variables the last save looked.
    """

    def __init__(
        self, namespace: Mapping[str, Any], policies: Policies, followed: Followed | None = None
    ) -> None:
        self.namespace = weakref.ref(namespace) if isinstance(namespace, Namespace) else lambda: namespace
        is_managed = isinstance(namespace, Namespace)
        self.is_own = is_managed or followed is not None
        self.parent: int | None = None
        self.branch: str | None = None
        watch = followed or Watch(self.rebound if is_managed else None)
        # A managed namespace holds the watch, which holds the session: what is let go of is freed at once.
        self._watch = weakref.ref(watch) if is_managed else lambda: watch
        self._followed = followed
        self.cells: list[str] = []
        self.failed = False
        self.looked_at = 0
        if isinstance(namespace, Namespace):
            namespace.watch(watch)
        self._podding = policies.podding.fresh()
        self.coats = policies.coats
        self._links_type = policies.links
        self._postponed: list[str] | None = None  # names that are bound anew while another thread encodes
        self._fresh()

    def _fresh(self) -> None:
        self._host = self.coats.host(self._podding)
        self.links = self._links_type()
        if not self.links.connect:
            self._host.tell_of_cuts(lambda value: self.links.cut_out(self.encoder, value))
        self.encoder = Encoder(self._host, self._podding.apart_least, self._podding.objects)
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
        self.has_coats = False
        self.is_doubtful = False  # it must be reset before the next save

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
        self.coats.forget()
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
                if oid in self.pods:
                    self.links.root(oid, obj)
        self._summarize()
        self._seen = {name: values[name] for name in names}
        self.is_fresh = False

    def rebound(self, name: str) -> None:
        """Let go of what a name was bound to, so that memory that the user frees is free."""
        if self._postponed is None:
            self._let_go(name)
        else:
            self._postponed.append(name)

    def postpone(self) -> None:
        """Keep what names are bound to, for another thread encodes it, until `catch_up`."""
        self._postponed = []

    def catch_up(self) -> None:
        """Let go of what was bound anew meanwhile."""
        while self._postponed:
            self._let_go(self._postponed.pop())
        self._postponed = None

    def _let_go(self, name: str) -> None:
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
        return finished(self.encoding(touched, chosen, sink))

    def encoding(
        self,
        touched: Touched,
        chosen: Iterable[str] | None,
        sink: Sink,
        guard: Callable[[Suspects], Collection[str]] | None = None,
    ) -> Generator[None, None, Encoded]:
        """Write what may have changed, and stop before what cannot change meanwhile is written: another thread may do that.

        Parameters
        ----------
        guard
            Returns the names of what cannot change, among `Suspects.written`. Without any the save does not stop.
        """
        self.looked_at = 0
        if chosen is None and self._is_untouched(touched):
            return Encoded(self.names, self.pods, [], (), changed=False)
        current = self._current(chosen)
        everything = touched.everything or self.is_fresh
        if everything:
            names = set(current)
        else:
            names = _rebound(self._seen, current)
            names |= touched.names & current.keys()
            names |= self._failed & current.keys()
        gone = self.names.keys() - current.keys() - self._hidden
        self._seen = current
        self._uses = None
        first = {*names, *gone, *self._hidden} & self.names.keys()
        bound = (self.names[name].oid for name in first)
        roots = self.links.roots((oid for oid in bound if oid is not None), self.owners)
        roots |= self.pods.keys() if everything else set(self._exposed)
        active = self._closure(roots)
        used: set[str] = set()
        if not everything and not self._add_used(active, used):
            everything, names, active = True, set(current), set(self.pods)
        if not active and not names and not gone and not self._hidden:
            return Encoded(self.names, self.pods, [], (), changed=False)
        later = () if guard is None or self._hidden else guard(self._suspects(current, names, active))
        written: list[Pod] = []
        self._is_late = False
        self._host.reducer = Reducer(self._mapping)
        self.encoder.namespace = self._mapping
        self._host.sink = sink
        try:
            while True:
                self._host.start_over()
                self._podding.start()
                kept = self.links.kept(active, self.pods, self.owners)
                self.encoder.drop(self.pods[oid] for oid in kept)
                self.encoder.begin([*(self.pods[oid] for oid in active), *written])
                written = []
                try:
                    encoded = yield from self._write(current, names, active, kept, written, later)
                    break
                except StaleMet as met:
                    active |= self._closure(met.args)
        finally:
            self._host.start_over()
            del self._host.sink
        if self._followed is not None:
            self.looked_at = sum(
                1 for name in current if name in names or not self._pods_of([name]).isdisjoint(active)
            )
            used.update(name for pod in encoded.new for name in pod.needs)
            saved = [current[name] for name in self.names if name in current]
            self._followed.saved(saved, used, anything=everything)
        return encoded

    def _add_used(self, active: set[int], used: set[str]) -> bool:
        """Add to active pods those of the variables that functions in them use; False: these may touch anything.

        A managed namespace sees what functions use; of a followed dict it is known which they can.
        """
        if self._followed is None:
            return True
        fresh = active
        while fresh:
            new = {name for oid in fresh for name in self.pods[oid].needs} - used
            if self._followed.leads_to_everything(new):
                return False
            used |= new
            fresh = self._closure(self._pods_of(new)) - active
            active |= fresh
        return True

    def _pods_of(self, names: Iterable[str]) -> set[int]:
        """Return the pods that names led to at the last save."""
        oids = [self.names[name].oid for name in names if name in self.names]
        return {self.owners[oid] for oid in oids if oid in self.owners}

    def _meet_used(self, active: set[int], written: list[Pod]) -> None:
        """Start over if functions that are written, which nobody knew of, use what was thought untouched."""
        if self._followed is None:
            return
        used = {name for pod in written for name in pod.needs}
        everything = self._followed.leads_to_everything(used)
        missed = (set(self.pods) if everything else self._pods_of(used)) - active
        if missed:
            raise StaleMet(*missed)

    def _suspects(self, current: dict[str, object], names: set[str], active: set[int]) -> Suspects:
        written = {
            name: value for name, value in current.items() if name in names or self._owner(name) in active
        }
        users = users_of(active, self.pods, self.owners)
        leading = {
            name: value
            for name, value in current.items()
            if name not in written and self._owner(name) in users
        }
        held = gc.get_referents(self.encoder) if in_kernel() else self.encoder.held()
        return Suspects(written, leading, held)

    def _owner(self, name: str) -> int | None:
        bound = self.names.get(name)
        return None if bound is None or bound.oid is None else self.owners[bound.oid]

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
        self.has_coats = any(pod.coat for pod in self.pods.values())

    @property
    def unsaved(self) -> frozenset[str]:
        """The variables that the last save had to leave out."""
        return frozenset(self._failed)

    @property
    def count(self) -> int:
        """How many variables there are, the hidden ones apart."""
        return len(self.names) - len(self._hidden)

    def _closure(self, roots: Iterable[int]) -> set[int]:
        return self.links.closure(roots, self.pods, self.owners)

    def _write(
        self,
        current: dict[str, object],
        names: set[str],
        active: set[int],
        kept: set[int],
        written: list[Pod],
        later: Collection[str],
    ) -> Generator[None, None, Encoded]:
        bound = {name: known for name, known in self.names.items() if name in current and name not in names}
        lost: dict[str, Unsaved] = {}
        again = [
            name
            for name in sorted(current)
            if name not in bound or self.owners.get(bound[name].oid or 0, -1) in active
        ]
        for name in again:
            if name not in later:
                self._bind(name, current[name], bound, lost, written, hidden=False)
        self._bind_hidden(bound, lost, written, active, later)
        if later:
            yield
            self._is_late = True
            for name in again:
                if name in later:
                    self._bind(name, current[name], bound, lost, written, hidden=False)
            self.is_doubtful |= self._is_bound_anew(later, current)
        self._meet_used(active, written)
        inactive = [pod for oid, pod in self.pods.items() if oid not in active or oid in kept]
        self._rescue(inactive, written, lost)
        pods = {pod.oid: pod for pod in (*inactive, *written)}
        owners = {oid: pod.oid for pod in pods.values() for oid in (*pod.exports, pod.oid)}
        drop_broken(bound, pods, owners, lost, current)
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
            oid = self._place(value, written)
        except (StaleMet, MemoryError, *_OF_THE_STORE):
            raise
        except Exception as error:  # noqa: BLE001  (whatever a value's own code raises is the reason that is reported)
            bound.pop(name, None)
            lost[name] = unsaved(name, value, error)
        else:
            new, old = Bound(oid, b"", hidden), self.names.get(name)
            bound[name] = old if old == new else new  # most names are bound as they were

    def _encode(self, value: object, oid: int = 0) -> list[Pod]:
        """Write an object and all below it that no pod holds yet; return the pods, the object's last."""
        try:
            return self._host.finish(self.encoder.encode(value, oid))
        finally:
            self._host.let_go()

    def _place(self, value: object, written: list[Pod], oid: int = 0) -> int:
        """Return the oid of an object; write it if no pod of this save holds it yet."""
        while True:
            try:
                found = self.encoder.locate(value)
                if found is None:
                    written += self._encode(value, oid)
                    found = written[-1].oid
                    self.links.root(found, value)
            except StaleMet as met:
                if self.links.connect and not self._is_late:
                    raise
                self.encoder.drop([self.pods[met.args[0]]])
                self.is_doubtful |= self.links.connect
            else:
                return found

    def _is_bound_anew(self, names: Iterable[str], current: dict[str, object]) -> bool:
        """Say whether a name was bound past the namespace's methods, so that there are fewer references than are counted."""
        mapping = self._mapping
        if not isinstance(mapping, dict):
            return False
        return any(dict.get(mapping, name, _MISSING) is not current[name] for name in names)

    def _bind_hidden(
        self,
        bound: dict[str, Bound],
        lost: dict[str, Unsaved],
        written: list[Pod],
        active: set[int],
        later: Collection[str],
    ) -> None:
        """Write what functions need of the namespace and is no variable of this version."""
        done: set[str] = set(later)
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
            if oid in referred:
                try:
                    self._place(obj, written, oid)
                except (StaleMet, MemoryError, *_OF_THE_STORE):
                    raise
                except Exception as error:  # noqa: BLE001  (as in `_bind`)
                    lost[f"\0{oid}"] = unsaved("", obj, error)

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
        names = [
            name for name, known in bound.items() if known.oid is not None and owners[known.oid] in fresh
        ]
        values = [current[name] for name in names if name in current]
        if self._followed is not None:
            self._followed.explain(self.encoder.count, values)
        while values:
            self.encoder.count(values.pop(), _REFERENCES_OF_A_NAME)
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
