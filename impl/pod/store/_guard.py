"""Which variables nobody can change while a gate keeps threads from their names.

A variable is safe behind a gate if every reference to every object below it is known: it comes from the namespace, from the
session, or from another object below a variable behind the same gate. Whoever holds one more (a frame of a running function,
another module, an iterator) could change what is being encoded, so what such an object is connected with is not safe. Nor is
what an object of a type leads to that is not known to tell all that it holds, or that runs the user's code when it is saved.
What is reached without a reference (by a weak one, or an address) is not seen; see docs/pod-semantics.md.

It is the rule of `pod.graph`'s exposure, taken before anything is encoded; it costs more per object than to encode it does, so a
large graph of small objects is not looked at to its end, and counts as unsafe. What is worth to be encoded later has few objects
and many bytes.
"""

from __future__ import annotations

import builtins
import copyreg
import datetime
import decimal
import fractions
import gc
import sys
import types
import uuid
import weakref
from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pod.graph import module_of, name_of
from pod.tracking import Builtins, Namespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OBJECTS_MOST: Final = 20_000

# What is done with an object, by its type.
_LEAF: Final = 0  # nothing below it can be changed, or it is saved by its name
_KNOWN: Final = 1  # it tells all that it holds
_OPAQUE: Final = 2  # it may hold more, or run code

_LEAVES: Final = (
    types.ModuleType,
    types.CodeType,
    Namespace,
    Builtins,  # a namespace's; it is not saved, and leads to all modules
    datetime.date,
    datetime.timedelta,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    weakref.ReferenceType,  # it holds nothing, and is not saved
    np.dtype,
    type(np.sum),
    range,
)
_CONTAINERS: Final = frozenset(
    {list, tuple, dict, set, frozenset, bytearray, slice, OrderedDict, defaultdict, deque}
)
_LIBRARIES: Final = frozenset(
    {"numpy", "pandas", "scipy", "sklearn"}
)  # whose reducers read their own object only
_HEAP_TYPE: Final = 1 << 9
_DEFAULTS: Final = ("__reduce_ex__", "__reduce__", "__getstate__", "__getattribute__")
_HOOKS: Final = ("__getnewargs__", "__getnewargs_ex__", "__getattr__")
_ATOMS: Final = frozenset(
    {int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented)}
)


def unsafe(
    values: Mapping[str, object], held: Iterable[object], references: int, most: int = OBJECTS_MOST
) -> set[str]:
    """Return the names of variables that somebody unknown could change.

    Parameters
    ----------
    values
        The variables behind the gate, but for those that are fixed.
    held
        Objects to which the session holds a reference; a list of such references.
    references
        How many there are to each value: from the namespace, the session, `values` and its like.
    most
        With more objects than this all are unsafe.
    """
    graph = _Graph(most)
    try:
        names = {
            name: graph.enter(value, references) for name, value in values.items() if not graph.is_leaf(value)
        }
        graph.walk()
    except _TooMany:
        return set(values)
    graph.explain(held)
    bad = graph.bad()
    return {name for name, at in names.items() if graph.find(at) in bad}


def is_fixed(value: object) -> bool:
    """Say whether nothing that is saved with a value can be changed, whoever holds it."""
    return _Graph(0).is_leaf(value)


class _TooMany(Exception):
    """The graph has more objects than are looked at."""


class _Graph:
    """Objects, the references to them that were seen, and which of them are connected."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._objects: list[object] = []
        self._counts: list[int] = []
        self._index: dict[int, int] = {}
        self._joined: list[int] = []
        self._opaque: list[int] = []
        self._kinds: dict[type, int] = {}

    def enter(self, obj: object, references: int) -> int:
        """Count references to an object; return its number."""
        at = self._index.get(id(obj))
        if at is None:
            at = self._index[id(obj)] = len(self._objects)
            if at >= self._most:
                raise _TooMany
            self._objects.append(obj)
            self._counts.append(0)
            self._joined.append(at)
        self._counts[at] += references
        return at

    def explain(self, held: Iterable[object]) -> None:
        """Count what the session holds, and the references of this list."""
        for at in (self._index.get(id(obj)) for obj in held):
            if at is not None:
                self._counts[at] += 2

    def walk(self) -> None:
        """Enter all that is below."""
        at = 0
        while at < len(self._objects):
            kind, children = self._below(self._objects[at])
            if kind == _OPAQUE:
                self._opaque.append(at)
            for child in children:
                if not self.is_leaf(child):
                    self._join(at, self.enter(child, 1))
            at += 1

    def bad(self) -> set[int]:
        """Return the groups of connected objects of which one is held by somebody unknown, or opaque."""
        counted = map(sys.getrefcount, self._objects)
        surplus = [
            at
            for at, (references, known) in enumerate(zip(counted, self._counts, strict=True))
            if references - _OWN_REFERENCES > known
        ]
        return {self.find(at) for at in (*surplus, *self._opaque)}

    def find(self, at: int) -> int:
        """Return the number that stands for an object's group."""
        while self._joined[at] != at:
            self._joined[at] = self._joined[self._joined[at]]
            at = self._joined[at]
        return at

    def _join(self, a: int, b: int) -> None:
        self._joined[self.find(a)] = self.find(b)

    def _below(self, obj: Any) -> tuple[int, Iterable[object]]:
        """Say whether an object tells all that it holds; return what that is."""
        cls = type(obj)
        if cls is list or cls is tuple or cls is set or cls is frozenset:
            return _KNOWN, () if _ATOMS.issuperset(map(type, obj)) else obj
        if cls is dict:
            return _KNOWN, (*obj.keys(), *obj.values())
        if issubclass(cls, np.ndarray):
            return _below_array(obj) if cls is np.ndarray else (_OPAQUE, ())
        return self._kind(cls), gc.get_referents(obj)

    def is_leaf(self, obj: Any) -> bool:
        """Say whether nothing that is saved with an object can be changed."""
        cls = type(obj)
        if cls in _ATOMS or (cls is tuple and not obj) or obj is vars(builtins):
            return True
        if issubclass(cls, type) or cls is types.FunctionType or cls is np.ufunc:
            return name_of(obj) is not None
        if cls is datetime.datetime or cls is datetime.time:
            return obj.tzinfo is None or type(obj.tzinfo) is datetime.timezone
        if cls is types.BuiltinFunctionType:
            return obj.__self__ is None or isinstance(obj.__self__, types.ModuleType)
        return self._kind(cls) == _LEAF

    def _kind(self, cls: type) -> int:
        found = self._kinds.get(cls)
        if found is None:
            found = self._kinds[cls] = _kind_of(cls)
        return found


def _below_array(array: np.ndarray[Any, Any]) -> tuple[int, list[object]]:
    below: list[object] = [] if array.base is None else [array.base]
    if array.base is None:
        owned = array.flags.owndata
    else:
        owned = isinstance(array.base, np.ndarray | bytearray | bytes)
    if not owned:
        return _OPAQUE, below  # the memory is somebody else's
    if not array.dtype.hasobject:
        return _KNOWN, below
    if array.dtype != object or array.base is not None:
        return (_KNOWN if array.dtype == object else _OPAQUE), below  # a view's objects are its base's
    items = array.ravel().tolist()
    return _KNOWN, below if _ATOMS.issuperset(map(type, items)) else items


def _kind_of(cls: type) -> int:
    if cls in _LEAVES:
        return _LEAF
    if cls in _CONTAINERS:
        return _KNOWN
    if name_of(cls) is None:
        return _OPAQUE
    if module_of(cls).partition(".")[0] in _LIBRARIES:
        scalar = issubclass(cls, np.generic) and not issubclass(cls, np.void | np.object_)
        return _LEAF if scalar or issubclass(cls, _LEAVES) else _KNOWN
    return _KNOWN if _is_taken_apart_by_default(cls) else _OPAQUE


def _is_taken_apart_by_default(cls: type) -> bool:
    """Say whether no code of a class runs when an instance is saved, and whether it holds what its dict and slots do."""
    return (
        all(base is object or base.__flags__ & _HEAP_TYPE for base in cls.__mro__)
        and type(cls) is type
        and all(getattr(cls, hook) is getattr(object, hook) for hook in _DEFAULTS)
        and cls not in copyreg.dispatch_table
        and not any(hasattr(cls, hook) for hook in _HOOKS)
    )


def _measure() -> int:
    """Learn how many references this module adds to an object that it has entered."""
    graph = _Graph(1)
    graph.enter([], 0)
    return next(map(sys.getrefcount, graph._objects))


_OWN_REFERENCES: Final = _measure()
