"""The plain data of a portrait, and its canonical order.

A node is ``(kind, facts, children)``. A child is an atom or ``("@", number)``, another node. The numbers of a portrait
as it was taken follow the walk over the objects; `Portrait.canonical` numbers the nodes that some names reach by a walk
over the portrait itself, breadth first, so that equal graphs get equal numbers whatever the addresses were.

Sets have no order. They wait until nothing else is left to visit; then their members come in the order of: atoms by
value, members that have a number by that number, and the others by a digest of what hangs on each of them alone. Members
that are still equal are exchangeable, unless two sets share some of them: such graphs may be told apart although they
are equal, never the other way round.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeGuard, cast

__all__ = ["NAMESPACE", "UNORDERED", "Canonical", "Node", "Portrait", "Ref", "Span", "is_ref"]

Ref = tuple[str, int]
Node = tuple[str, object, tuple[object, ...]]
Shown = tuple[str, object, tuple[object, ...], tuple[object, ...]]
"""A node under canonical numbers, and where its buffer lies among those that it overlaps."""

Links = tuple[tuple[int, Ref], ...]
"""The children of a node that are other nodes, with their places."""

NAMESPACE: Final = ("the namespace",)
UNORDERED: Final = frozenset({"set", "frozenset"})
_SOMEWHERE: Final = ("@",)


def is_ref(child: object) -> TypeGuard[Ref]:
    """Say whether a child is another node."""
    return type(child) is tuple and child[0] == "@"


@dataclass(frozen=True, slots=True)
class Span:
    """Where a buffer lies: its bytes are in ``[start, end)``, in steps of ``layout``."""

    start: int
    end: int
    layout: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Canonical:
    """The part of a portrait that some names reach, in canonical order."""

    roots: tuple[tuple[str, object], ...]
    nodes: tuple[Shown, ...]
    origin: tuple[tuple[int, int] | str, ...] = field(compare=False)
    """How each node was reached first: its parent's number and its place there, or the name of a variable."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """What a namespace held: `roots` are its variables."""

    roots: dict[str, object]
    nodes: list[Node]
    spans: dict[int, Span]
    opaque: tuple[str, ...]
    """The types of what the oracle could not look into."""
    _bodies: dict[int, bytes] = field(default_factory=dict, repr=False, compare=False)
    """Digests of nodes apart from where their references lead, kept for further digests of the same portrait."""
    _links: dict[int, Links] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> frozenset[str]:
        """The names of the variables."""
        return frozenset(self.roots)

    def of(self, names: Iterable[str]) -> Portrait:
        """Return the same portrait with some of its variables only."""
        return replace(self, roots={name: self.roots[name] for name in names})

    def by_name(self) -> Portrait:
        """Return what `portray` with ``code=False`` would have seen of the same namespace."""
        named = {
            raw: node for raw, node in enumerate(map(_by_name, self.nodes)) if node is not self.nodes[raw]
        }
        if not named:
            return self
        nodes = [named.get(raw, node) for raw, node in enumerate(self.nodes)]
        bodies = {raw: body for raw, body in self._bodies.items() if raw not in named}
        links = {raw: found for raw, found in self._links.items() if raw not in named}
        return replace(self, nodes=nodes, _bodies=bodies, _links=links)

    def reaches_opaque(self, name: str) -> bool:
        """Say whether a variable reaches something that could not be looked into."""
        return bool(self.opaque) and any(node[0] == "opaque" for node in self.canonical([name]).nodes)

    def with_globals(self, names: Iterable[str]) -> frozenset[str]:
        """Return these names and all variables that functions which they reach read as globals."""
        wanted = frozenset(names) & self.names
        while True:
            functions = [node for node in self.canonical(wanted).nodes if node[0] == "function"]
            more = wanted | {name for node in functions for name in _globals_read(node)} & self.names
            if more == wanted:
                return wanted
            wanted = more

    def canonical(self, names: Iterable[str] | None = None) -> Canonical:
        """Return the part that these names reach (all, when left out), in canonical order."""
        chosen = sorted(self.roots if names is None else names)
        walk = self._walked(chosen)
        memory = _memory(walk, self.spans)
        nodes = tuple((*walk.shown(raw), memory.get(number, ())) for number, raw in enumerate(walk.order))
        roots = tuple((name, walk.renumbered(self.roots[name])) for name in chosen)
        return Canonical(roots, nodes, tuple(walk.origin))

    def digest(self, names: Iterable[str] | None = None) -> str:
        """Return a digest that is equal for equal namespaces, in any process."""
        chosen = sorted(self.roots if names is None else names)
        walk = self._walked(chosen)
        memory = _memory(walk, self.spans)
        roots = tuple((name, walk.renumbered(self.roots[name])) for name in chosen)
        digest = hashlib.blake2b(repr(roots).encode(), digest_size=16)
        for number, raw in enumerate(walk.order):
            if self.nodes[raw][0] in UNORDERED:
                digest.update(repr(walk.shown(raw)).encode())
            else:
                links = walk.links(raw)
                digest.update(self._body(raw, links))
                digest.update(repr([(place, walk.renumbered(child)) for place, child in links]).encode())
            digest.update(repr(memory.get(number, ())).encode())
        return digest.hexdigest()

    def _body(self, raw: int, links: Links) -> bytes:
        found = self._bodies.get(raw)
        if found is None:
            kind, facts, children = self.nodes[raw]
            if links:
                shown: list[object] = list(children)
                for place, _ in links:
                    shown[place] = _SOMEWHERE
                children = tuple(shown)
            body = repr((kind, facts, children)).encode()
            found = self._bodies[raw] = hashlib.blake2b(body, digest_size=16).digest()
        return found

    def _walked(self, names: Sequence[str]) -> _Walk:
        walk = _Walk(self.nodes, {}, self._links)
        for name in names:
            walk.reach(self.roots[name], name)
        walk.finish()
        return walk


def _by_name(node: Node) -> Node:
    """Return a function or class as its module and qualified name; any other node as it is."""
    kind, facts, children = node
    named = "imported"
    if kind == "function":
        _, qualified, module, *_ = cast(tuple[object, ...], facts)
    elif kind == "class":
        named = "imported class"
        _, qualified, seen = cast(tuple[str, str, tuple[str, ...]], facts)
        module = children[len(children) - len(seen) + seen.index("__module__")]
    else:
        return node
    return (named, (module, qualified), ())


def _globals_read(function: Shown) -> Sequence[str]:
    _, facts, children, _ = function
    return cast(tuple[Sequence[str], ...], facts)[-1] if children[1] == NAMESPACE else ()


class _Walk:
    """A breadth-first numbering of nodes; `known` are nodes that an outer walk has numbered."""

    def __init__(self, nodes: Sequence[Node], known: dict[int, int], links: dict[int, Links]) -> None:
        self._nodes = nodes
        self._links = links
        self._known = known
        self._number: dict[int, int] = {}
        self.order: list[int] = []
        self.origin: list[tuple[int, int] | str] = []
        self._todo: deque[int] = deque()
        self._sets: deque[int] = deque()
        self._members: dict[int, tuple[object, ...]] = {}

    def reach(self, child: object, origin: tuple[int, int] | str) -> None:
        """Number a node that is met for the first time."""
        if not is_ref(child):
            return
        raw = child[1]
        if raw not in self._number and raw not in self._known:
            self._number[raw] = len(self.order)
            self.order.append(raw)
            self.origin.append(origin)
            self._todo.append(raw)

    def finish(self) -> None:
        """Visit everything that hangs on what was reached."""
        while self._todo or self._sets:
            while self._todo:
                raw = self._todo.popleft()
                if self._nodes[raw][0] in UNORDERED:
                    self._sets.append(raw)
                else:
                    self._visit(raw, self.links(raw))
            if self._sets:
                raw = self._sets.popleft()
                members = self._sorted(self._nodes[raw][2])
                self._members[raw] = members
                self._visit(raw, _links_of(members))

    def links(self, raw: int) -> Links:
        """Return where a node leads; a set's order is not that of its members."""
        found = self._links.get(raw)
        if found is None:
            found = self._links[raw] = _links_of(self._nodes[raw][2])
        return found

    def _visit(self, raw: int, links: Links) -> None:
        number = self._number[raw]
        for place, child in links:
            self.reach(child, (number, place))

    def _sorted(self, members: tuple[object, ...]) -> tuple[object, ...]:
        unknown = [m[1] for m in members if is_ref(m) and self._numbered(m[1]) is None]
        hanging = self._hanging_on(unknown) if len(unknown) > 1 else {}

        def key(member: object) -> tuple[int, str, int, str]:
            if not is_ref(member):
                return (0, repr(member), 0, "")
            number = self._numbered(member[1])
            if number is not None:
                return (1, "", number, "")
            return (2, "", 0, hanging.get(member[1], ""))

        return tuple(sorted(members, key=key))

    def _numbered(self, raw: int) -> int | None:
        number = self._number.get(raw)
        return -1 - self._known[raw] if number is None and raw in self._known else number

    def _hanging_on(self, members: Sequence[int]) -> dict[int, str]:
        """Digest what each member alone leads to; what has a number already stands for itself."""
        known = self._known | {raw: len(self._known) + number for raw, number in self._number.items()}
        found = {}
        for raw in members:
            walk = _Walk(self._nodes, known, self._links)
            walk.reach(("@", raw), "")
            walk.finish()
            digest = hashlib.blake2b(digest_size=16)
            for reached in walk.order:
                digest.update(repr(walk.shown(reached)).encode())
            found[raw] = digest.hexdigest()
        return found

    def renumbered(self, child: object) -> object:
        """Return a child under its canonical number."""
        if not is_ref(child):
            return child
        raw = child[1]
        number = self._number.get(raw)
        return ("known", self._known[raw]) if number is None else ("@", number)

    def shown(self, raw: int) -> Node:
        """Return a visited node under canonical numbers."""
        kind, facts, children = self._nodes[raw]
        members = self._members.get(raw, children)
        renumbered = tuple(self.renumbered(c) if type(c) is tuple else c for c in members)
        return (kind, facts, renumbered)


def _links_of(children: tuple[object, ...]) -> Links:
    return tuple(
        [
            (place, cast(Ref, child))
            for place, child in enumerate(children)
            if type(child) is tuple and child[0] == "@"  # `is_ref`, for very many
        ]
    )


def _memory(walk: _Walk, spans: dict[int, Span]) -> dict[int, tuple[object, ...]]:
    """Return for each buffer that overlaps another its region, its offset there, and its layout."""
    found: dict[int, tuple[object, ...]] = {}
    lying = sorted(
        ((spans[raw], number) for number, raw in enumerate(walk.order) if raw in spans),
        key=lambda pair: (pair[0].start, pair[0].end, pair[1]),
    )
    for region in _regions(lying):
        if len(region) > 1:
            first, start = min(number for _, number in region), region[0][0].start
            for span, number in region:
                found[number] = ("memory", first, span.start - start, span.layout)
    return found


def _regions(lying: Sequence[tuple[Span, int]]) -> Iterator[list[tuple[Span, int]]]:
    region: list[tuple[Span, int]] = []
    end = 0
    for span, number in lying:
        if region and span.start >= end:
            yield region
            region = []
        end = max(end, span.end) if region else span.end
        region.append((span, number))
    if region:
        yield region
