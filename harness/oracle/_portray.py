"""The walk over a namespace: each object once, breadth first, without a Python stack."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Final

from harness.oracle._atoms import AS_THEY_ARE, ATOMS, shown
from harness.oracle._describe import Eye, Part, describe
from harness.oracle._portrait import NAMESPACE, Node, Portrait, Ref, Span

__all__ = ["MACHINERY", "portray"]

MACHINERY: Final = re.compile(r"__.*__|In|Out|_{1,3}|_\d+|_i{0,3}|_i\d+|_[dio]h")
"""What is called so is no variable: Python's and IPython's own names."""


def portray(
    namespace: Mapping[str, object], names: Iterable[str] | None = None, *, code: bool = True
) -> Portrait:
    """Return a portrait of the variables of a namespace.

    Parameters
    ----------
    namespace
        Any mapping. A `dict`, its subclasses included, is read past its methods, so that nothing counts as touched.
    names
        Which variables; when left out, all but those with two underscores at both ends and IPython's own.
    code
        Look into functions and classes of the session; else they are compared by name, as picklers see them.
    """
    items = dict(dict.items(namespace) if isinstance(namespace, dict) else namespace.items())
    if names is None:
        chosen = [name for name in items if not MACHINERY.fullmatch(name)]
    else:
        chosen = [name for name in names if name in items]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that iterators can be reduced is deprecated
        walk = _Walk(namespace, code=code)
        roots = {name: walk.child(items[name]) for name in chosen}
        walk.finish()
    return Portrait(roots, walk.nodes, walk.spans, tuple(sorted(walk.opaque)))


class _Walk(Eye):
    """Numbers objects as they are met, and keeps them alive until the end: an address means one object only."""

    def __init__(self, namespace: object, *, code: bool) -> None:
        self.namespace = namespace
        self.code = code
        self.plain: dict[type, bool] = {}
        self.nodes: list[Node] = []
        self.spans: dict[int, Span] = {}
        self.opaque: set[str] = set()
        self._refs: dict[int, Ref] = {}
        self._alive: list[object] = []
        self._globals: dict[int, Part] = {}

    def child(self, value: object) -> object:
        if type(value) in ATOMS:
            return shown(value)
        if value is self.namespace:
            return NAMESPACE
        ref = self._refs.get(id(value))
        if ref is None:
            ref = self._refs[id(value)] = ("@", len(self._alive))
            self._alive.append(value)
        return ref

    def globals_of(self, around: dict[str, Any]) -> object:
        if around is self.namespace:
            return NAMESPACE
        return self.child(self._globals.setdefault(id(around), Part("globals")))

    def blind(self, value: object) -> None:
        self.opaque.add(f"{type(value).__module__}.{type(value).__qualname__}")

    def finish(self) -> None:
        """Describe everything that was met, and what is met while describing it."""
        while len(self.nodes) < len(self._alive):
            value: Any = self._alive[len(self.nodes)]
            kind = type(value)
            if kind is list or kind is tuple:
                children = tuple([item if type(item) in AS_THEY_ARE else self.child(item) for item in value])
                self.nodes.append((kind.__name__, len(children), children))
            elif kind is dict:
                flat = [self.child(each) for pair in dict.items(value) for each in pair]
                self.nodes.append(("dict", len(flat) // 2, tuple(flat)))
            elif isinstance(value, Part):
                self.nodes.append((value.kind, value.facts, value.children))
            else:
                part = describe(value, self)
                if part.span is not None:
                    self.spans[len(self.nodes)] = part.span
                self.nodes.append((part.kind, part.facts, part.children))
