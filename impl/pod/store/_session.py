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
from itertools import repeat
from operator import is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pod.errors import Corrupt, StoreFull, StoreReadOnly, StoreUnavailable
from pod.graph import Pod, Reducer, StaleMet, encode_atom
from pod.kernel import Encoder, in_kernel
from pod.store._host import unsaved
from pod.store._known import Known
from pod.store._losses import drop_broken
from pod.store._record import Bound, pods_below
from pod.store._report import Unsaved
from pod.store._saving import Said
from pod.store._steps import Encoded, Suspects, finished
from pod.tracking import Followed, Namespace, Watch, binds_as_before, value_of, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Mapping

    from pod.podding import Podding
    from pod.store._coats import Coats
    from pod.store._host import Sink
    from pod.store._links import Links
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
        The sources of what ran in a followed dict since a save was called, and whether the last of them failed.
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
        self._postponed: list[str] | None = None  # names that are bound anew during a save
        self._fresh()

    def _fresh(self) -> None:
        self._host = self.coats.host(self._podding)
        self.links = self._links_type()
        if not self.links.connect:
            self._host.tell_of_cuts(lambda value: self.links.cut_out(self.encoder, value))
        self.encoder = Encoder(self._host, self._podding.apart_least, self._podding.objects)
        self.known = Known(self.encoder, self.links)
        self._failed: set[str] = set()
        self.stored: int | None = None
        self.is_fresh = True
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

    def say(self, message: str | None) -> Said:
        """Return what is kept with the version of a save that is called now."""
        said = Said(message, self.cells, self.failed)
        self.cells, self.failed = [], False
        return said

    def unsay(self, said: Said) -> None:
        """Keep the cells of a save that failed with the next version."""
        self.failed = self.failed if self.cells else said.failed
        self.cells[:0] = said.cells

    def reset(self) -> None:
        """Forget everything but the parent: the next save looks at all there is."""
        self.coats.forget()
        self._fresh()

    def rebound(self, name: str) -> None:
        """Let go of what a name was bound to, so that memory that the user frees is free."""
        if self._postponed is None:
            self.known.let_go(name)
        else:
            self._postponed.append(name)

    def postpone(self) -> None:
        """Keep what names are bound to until `catch_up`, whatever threads bind: it is being encoded."""
        self._postponed = []

    def catch_up(self) -> None:
        """Let go of what was bound anew meanwhile."""
        while self._postponed:
            self.known.let_go(self._postponed.pop())
        self._postponed = None

    def _current(self, chosen: Iterable[str] | None) -> dict[str, object]:
        found = variables_of(self._mapping)
        return found if chosen is None else {name: found[name] for name in chosen if name in found}

    def encode(self, touched: Touched, chosen: Iterable[str] | None, sink: Sink) -> Encoded:
        """Write what may have changed; `commit` or `reset` must follow."""
        self.postpone()
        try:
            return finished(self.encoding(touched, chosen, sink))
        finally:
            self.catch_up()

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
        known = self.known
        if chosen is None and self._is_untouched(touched):
            return Encoded(known.names, known.pods, [], (), changed=False)
        current = self._current(chosen)
        everything = touched.everything or self.is_fresh
        if everything:
            names = set(current)
        else:
            names = _rebound(known.seen, current)
            names |= touched.names & current.keys()
            names |= self._failed & current.keys()
        gone = known.names.keys() - current.keys() - known.hidden
        known.look_again(current)
        first = {*names, *gone, *known.hidden} & known.names.keys()
        bound = (known.names[name].oid for name in first)
        roots = self.links.roots((oid for oid in bound if oid is not None), known.owners)
        roots |= known.pods.keys() if everything else set(known.exposed)
        active = known.closure(roots)
        used: set[str] = set()
        if not everything and not self._add_used(active, used):
            everything, names, active = True, set(current), set(known.pods)
        if not active and not names and not gone and not known.hidden:
            return Encoded(known.names, known.pods, [], (), changed=False)
        later = (
            ()
            if guard is None or known.hidden
            else guard(known.suspects(current, names, active, self._held()))
        )
        written: list[Pod] = []
        self._is_late = False
        self._host.reducer = Reducer(self._mapping)
        self.encoder.namespace = self._mapping
        self._host.sink = sink
        try:
            while True:
                self._host.start_over()
                self._podding.start()
                kept = self.links.kept(active, known.pods, known.owners)
                self.encoder.drop(known.pods[oid] for oid in kept)
                self.encoder.begin([*(known.pods[oid] for oid in active), *written])
                written = []
                try:
                    encoded = yield from self._write(current, names, active, kept, written, later)
                    break
                except StaleMet as met:
                    active |= known.closure(met.args)
        finally:
            self._host.start_over()
            del self._host.sink
        if self._followed is not None:
            self.looked_at = sum(
                1 for name in current if name in names or not known.pods_of([name]).isdisjoint(active)
            )
            used.update(name for pod in encoded.new for name in pod.needs)
            saved = [current[name] for name in known.names if name in current]
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
            new = {name for oid in fresh for name in self.known.pods[oid].needs} - used
            if self._followed.leads_to_everything(new):
                return False
            used |= new
            fresh = self.known.closure(self.known.pods_of(new)) - active
            active |= fresh
        return True

    def _meet_used(self, active: set[int], written: list[Pod]) -> None:
        """Start over if functions that are written, which nobody knew of, use what was thought untouched."""
        if self._followed is None:
            return
        used = {name for pod in written for name in pod.needs}
        everything = self._followed.leads_to_everything(used)
        missed = (set(self.known.pods) if everything else self.known.pods_of(used)) - active
        if missed:
            raise StaleMet(*missed)

    def _held(self) -> list[object]:
        """Return the objects to which the encoder holds a reference."""
        return gc.get_referents(self.encoder) if in_kernel() else self.encoder.held()

    def _is_untouched(self, touched: Touched) -> bool:
        """Say whether nothing can have changed; what follows would find out, too, but list the variables for it."""
        suspects = (
            touched.everything or touched.names or self.known.hidden or self.known.exposed or self._failed
        )
        return not (suspects or self.is_fresh) and (
            len(self.known.seen) == len(self.known.names) and binds_as_before(self._mapping, self.known.seen)
        )

    @property
    def unsaved(self) -> frozenset[str]:
        """The variables that the last save had to leave out."""
        return frozenset(self._failed)

    def _write(
        self,
        current: dict[str, object],
        names: set[str],
        active: set[int],
        kept: set[int],
        written: list[Pod],
        later: Collection[str],
    ) -> Generator[None, None, Encoded]:
        bound = {
            name: known for name, known in self.known.names.items() if name in current and name not in names
        }
        lost: dict[str, Unsaved] = {}
        again = [
            name
            for name in sorted(current)
            if name not in bound or self.known.owners.get(bound[name].oid or 0, -1) in active
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
        inactive = [pod for oid, pod in self.known.pods.items() if oid not in active or oid in kept]
        self._rescue(inactive, written, lost)
        pods = {pod.oid: pod for pod in (*inactive, *written)}
        owners = {oid: pod.oid for pod in pods.values() for oid in (*pod.exports, pod.oid)}
        drop_broken(bound, pods, owners, lost, current)
        every = pods
        pods = pods_below(bound, pods, owners)
        self.encoder.drop(pod for oid, pod in every.items() if oid not in pods)
        written = [pod for pod in written if pod.oid in pods]
        self._finish(current, bound, pods, owners, written)
        self.known.replace(bound, pods, owners)
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
            new, old = Bound(oid, b"", hidden), self.known.names.get(name)
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
                self.encoder.drop([self.known.pods[met.args[0]]])
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
            kept = [pod for oid, pod in self.known.pods.items() if oid not in active]
            needed = {name for pod in (*kept, *written) for name in pod.needs}
            missing = sorted(name for name in needed - bound.keys() - done - lost.keys() if _may_hide(name))
            found = [(name, value_of(self._mapping, name, _MISSING)) for name in missing]
            done.update(missing)
            if not any(value is not _MISSING for _name, value in found):
                return
            for name, value in found:
                if value is not _MISSING:
                    self._bind(name, value, bound, lost, written, hidden=True)
                    lost.pop(name, None)

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
