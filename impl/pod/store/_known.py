"""What a session knows of the version that its namespace was saved as or loaded from last."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pod.store._links import users_of
from pod.store._record import Bound, elsewhere, pack_names, pack_pod, pack_pods
from pod.store._steps import Encoded, Suspects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import Buffer

    from pod.graph import Pod
    from pod.kernel import Encoder
    from pod.store._host import Sink
    from pod.store._links import Links
    from pod.store._tree import Put

_MISSING: Final = object()


class Known:
    """The names and pods of one version, what was seen bound to the names, and where the maps of them are stored.

    Attributes
    ----------
    names, pods
        What a name is bound to; pods by their oids.
    owners
        oid of an object or pod -> oid of the pod that holds it.
    has_coats
        Whether any pod wears a coat.
    """

    def __init__(self, encoder: Encoder, links: Links) -> None:
        self.encoder = encoder
        self.links = links
        self.names: dict[str, Bound] = {}
        self.pods: dict[int, Pod] = {}
        self.owners: dict[int, int] = {}
        self.seen: dict[str, object] = {}
        self.hidden: set[str] = set()
        self.exposed: list[int] = []
        self.has_coats = False
        self._values: dict[int, bytes] = {}
        self._uses: Counter[int | None] | None = None
        self._rooted: dict[str, Bound] | None = None  # the names that lie below the root
        self._names_root = b""
        self._pods_root = b""

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
            self._values[pod.oid] = pack_pod(pod, put)
            for oid in pod.exports:
                self.owners[oid] = pod.oid
        for oid, obj in objects.items():
            if oid in self.owners:
                pod = self.pods[self.owners[oid]]
                self.encoder.adopt(obj, pod, pod.exports.get(oid, 0), oid)
                if oid in self.pods:
                    self.links.root(oid, obj)
        self.seen = {name: values[name] for name in names}
        self._summarize()

    def replace(self, names: dict[str, Bound], pods: dict[int, Pod], owners: dict[int, int]) -> None:
        """Take over what a save has written."""
        self.names, self.pods, self.owners = names, pods, owners
        self._summarize()

    def _summarize(self) -> None:
        """Note what every save asks for, so that one that changes nothing need not walk through all names and pods."""
        self.hidden = {name for name, bound in self.names.items() if bound.hidden}
        self.exposed = [oid for oid, pod in self.pods.items() if pod.exposed]
        self.has_coats = any(pod.coat for pod in self.pods.values())

    @property
    def count(self) -> int:
        """How many variables there are, the hidden ones apart."""
        return len(self.names) - len(self.hidden)

    def pods_of(self, names: Iterable[str]) -> set[int]:
        """Return the pods that names led to at the last save."""
        oids = [self.names[name].oid for name in names if name in self.names]
        return {self.owners[oid] for oid in oids if oid in self.owners}

    def owner(self, name: str) -> int | None:
        """Return the pod that a name led to at the last save."""
        bound = self.names.get(name)
        return None if bound is None or bound.oid is None else self.owners[bound.oid]

    def suspects(
        self, current: dict[str, object], names: set[str], active: set[int], held: list[object]
    ) -> Suspects:
        """Return the variables that a save writes again, for their names or their pods, and those that lead to them."""
        written = {
            name: value for name, value in current.items() if name in names or self.owner(name) in active
        }
        users = users_of(active, self.pods, self.owners)
        leading = {
            name: value
            for name, value in current.items()
            if name not in written and self.owner(name) in users
        }
        return Suspects(written, leading, held)

    def closure(self, roots: Iterable[int]) -> set[int]:
        """Return the pods that must be looked at if some are."""
        return self.links.closure(roots, self.pods, self.owners)

    def look_again(self, current: dict[str, object]) -> None:
        """Note what names are bound to now."""
        self.seen = current
        self._uses = None

    def let_go(self, name: str) -> None:
        """Forget what a name was bound to, so that memory that the user frees is free."""
        value = self.seen.pop(name, _MISSING)
        bound = self.names.get(name)
        if value is _MISSING or bound is None or bound.oid is None:
            return
        if bound.oid not in self.pods[self.owners[bound.oid]].exports:
            return  # the object lies in another pod, under an oid of its own
        uses = self._uses  # a save may begin in another thread meanwhile
        if uses is None:
            uses = self._uses = Counter(known.oid for known in self.names.values())
            for pod in self.pods.values():
                uses.update(pod.references)
        uses[bound.oid] -= 1
        if uses[bound.oid] == 0:
            self.encoder.release(value)

    def roots(self, encoded: Encoded, sink: Sink) -> tuple[bytes, bytes]:
        """Store the maps of names and of pods; return their roots."""
        pieces: list[tuple[bytes, Sequence[Buffer]]] = []

        def put(digest: bytes, parts: Sequence[Buffer]) -> None:
            pieces.append((digest, parts))

        if encoded.changed or not self._names_root:
            for pod in encoded.new:
                self._values[pod.oid] = pack_pod(pod, put)
            self._values = {oid: self._values[oid] for oid in self.pods}
            values = [*self._values.items()]
            values += [(oid, elsewhere(owner)) for oid, owner in self.owners.items() if oid != owner]
            if self.names != self._rooted:
                self._names_root = pack_names(self.names, put)
                self._rooted = self.names
            self._pods_root = pack_pods(values, put)
            sink.put_all(pieces)  # many at once cost less
        return self._names_root, self._pods_root
