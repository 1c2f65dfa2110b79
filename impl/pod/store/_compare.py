"""Comparing versions by what is stored of them, without building an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.format import digest_of, encode
from pod.store._coats import key_of
from pod.store._record import Bound, all_pods, parse_names
from pod.store._report import Change, Diff

if TYPE_CHECKING:
    from pod.format import Plain
    from pod.graph import Pod
    from pod.store._record import Record
    from pod.store._tree import Read


class Contents:
    """The names of a version, with the size and a digest of what each is bound to."""

    def __init__(self, record: Record, read: Read) -> None:
        self._names = {
            name: bound for name, bound in parse_names(record.names, read).items() if not bound.hidden
        }
        self._pods = {pod.oid: pod for pod in all_pods(record.pods, read)}
        self._owners = {oid: pod.oid for pod in self._pods.values() for oid in (*pod.exports, pod.oid)}
        self._prints: dict[int, bytes] = {}

    def sizes(self) -> dict[str, int]:
        """Return the bytes of all pods that each name leads to."""
        return {name: self._size(bound) for name, bound in self._names.items()}

    def prints(self) -> dict[str, bytes]:
        """Return a digest of the content that each name leads to."""
        return {name: self._print(bound) for name, bound in self._names.items()}

    def _size(self, bound: Bound) -> int:
        if bound.oid is None:
            return len(bound.atom)
        return sum(self._pods[oid].size_bytes for oid in self._order(self._owners[bound.oid]))

    def _print(self, bound: Bound) -> bytes:
        if bound.oid is None:
            return bound.atom
        owner = self._owners[bound.oid]
        for oid in self._order(owner):
            if oid not in self._prints:
                self._prints[oid] = self._print_of(self._pods[oid])
        return self._prints[owner] + encode(self._pods[owner].exports.get(bound.oid, -1))

    def _print_of(self, pod: Pod) -> bytes:
        references: list[Plain] = [
            [self._prints.get(self._owners[oid], b""), self._pods[self._owners[oid]].exports.get(oid, -1)]
            for oid in pod.references
        ]
        return digest_of(encode([key_of(pod), references]))

    def _order(self, root: int) -> list[int]:
        """Return the pods that one leads to, each after those it refers to as far as there is no cycle."""
        order: list[int] = []
        seen = {root}
        stack = [(root, iter(self._pods[root].references))]
        while stack:
            oid, references = stack[-1]
            for reference in references:
                owner = self._owners[reference]
                if owner not in seen:
                    seen.add(owner)
                    stack.append((owner, iter(self._pods[owner].references)))
                    break
            else:
                order.append(oid)
                stack.pop()
        return order


def compare(a: int, b: int, of_a: Contents, of_b: Contents) -> Diff:
    """Return what differs from one version to another."""
    sizes_a, sizes_b = of_a.sizes(), of_b.sizes()
    prints_a, prints_b = of_a.prints(), of_b.prints()
    return Diff(
        a,
        b,
        tuple(Change(name, None, sizes_b[name]) for name in sorted(sizes_b.keys() - sizes_a.keys())),
        tuple(Change(name, sizes_a[name], None) for name in sorted(sizes_a.keys() - sizes_b.keys())),
        tuple(
            Change(name, sizes_a[name], sizes_b[name])
            for name in sorted(sizes_a.keys() & sizes_b.keys())
            if prints_a[name] != prints_b[name]
        ),
    )
