"""What the oracle sees of one object: a kind, facts, and children. Sharing is the walk's business."""

from __future__ import annotations

import abc
import copyreg
import enum
import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final

import numpy as np

from harness.oracle._code import code_facts, globals_read
from harness.oracle._portrait import Span

__all__ = ["Eye", "Part", "describe", "within_pandas"]

_HEAP_TYPE: Final = 1 << 9
_IMMUTABLE_TYPE: Final = 1 << 8
_UNSEEN_ATTRIBUTES: Final = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__slotnames__",
        "_abc_impl",
        "__static_attributes__",
        "__annotate__",
        "__annotate_func__",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A node in the making; as a child of another, a node of its own."""

    kind: str
    facts: object = ()
    children: tuple[object, ...] = ()
    span: Span | None = None


class Eye(abc.ABC):
    """What describing needs of the walk."""

    namespace: object
    code: bool
    plain: dict[type, bool]

    @abc.abstractmethod
    def child(self, value: object) -> object:
        """Return a value as a child: an atom, or the reference of its node."""

    @abc.abstractmethod
    def globals_of(self, around: dict[str, Any]) -> object:
        """Return the globals of functions as a child: which functions share them counts, not all that is in them."""

    @abc.abstractmethod
    def blind(self, value: object) -> None:
        """Note that a value could not be looked into."""


def describe(value: Any, eye: Eye) -> Part:
    """Return what is seen of a value that is no atom and no exact list, tuple or dict."""
    from harness.oracle._arrays import describe_array

    if isinstance(value, type):
        return _class(value, eye)
    look = _EXACT.get(type(value))
    if look is not None:
        return look(value, eye)
    if isinstance(value, ModuleType):
        return Part("module", value.__name__)
    return describe_array(value, eye) or _instance(value, eye)


def _all(eye: Eye, values: Iterable[object]) -> tuple[object, ...]:
    return tuple([eye.child(value) for value in values])


def _set(value: Any, eye: Eye) -> Part:
    base = set if isinstance(value, set) else frozenset
    children = _all(eye, base.__iter__(value))
    return Part(base.__name__, len(children), children)


# -- code ---------------------------------------------------------------------------------------------------------


def _imported(value: Any) -> bool:
    """Say whether a function or class is found under its own name in a module that is not the session."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module in {"__main__", "__mp_main__"}:
        return False
    found: object = sys.modules.get(module)
    for step in name.split("."):
        found = getattr(found, step, None)
    return found is value


def _by_name(value: Any) -> Part:
    kind = "imported class" if isinstance(value, type) else "imported"
    return Part(kind, (value.__module__, value.__qualname__))


def _class(value: type, eye: Eye) -> Part:
    static = not value.__flags__ & _HEAP_TYPE or value.__flags__ & _IMMUTABLE_TYPE
    if static or _imported(value) or not eye.code:
        return _by_name(value)
    seen = {
        name: item
        for name, item in sorted(vars(value).items())
        if not _unseen(value, name) and not isinstance(item, GetSetDescriptorType)
    }
    children = [eye.child(type(value)), *_all(eye, value.__bases__)]
    for name, item in seen.items():
        children.append(("slot", name) if isinstance(item, MemberDescriptorType) else eye.child(item))
    return Part("class", (value.__name__, value.__qualname__, tuple(seen)), tuple(children))


def _unseen(value: type, name: str) -> bool:
    """Say whether an attribute is Python's own book-keeping; of a flag, the combinations that it met so far."""
    return name in _UNSEEN_ATTRIBUTES or (name == "_value2member_map_" and issubclass(value, enum.Flag))


def _function(value: FunctionType, eye: Eye) -> Part:
    if _imported(value) or not eye.code:
        return _by_name(value)
    around = value.__globals__
    module = sys.modules.get(str(dict.get(around, "__name__")))
    from_module = getattr(module, "__dict__", None) is around and around is not eye.namespace
    whose: object
    if from_module and module is not sys.modules["__main__"]:
        whose, read = ("globals of", around["__name__"]), {}
    else:
        whose, read = eye.globals_of(around), _globals_found(around, globals_read(value.__code__))
    cells = value.__closure__ or ()
    facts = (value.__name__, value.__qualname__, value.__module__, value.__doc__, len(cells), tuple(read))
    children = (
        eye.child(value.__code__),
        whose,
        eye.child(value.__defaults__),
        eye.child(value.__kwdefaults__),
        eye.child(value.__annotations__ or None),
        eye.child(value.__dict__ or None),
        *_all(eye, cells),
        *_all(eye, read.values()),
    )
    return Part("function", facts, children)


def _globals_found(around: dict[str, Any], names: Iterable[str]) -> dict[str, object]:
    """Return what a function finds under these names, in the order of the names."""
    missing = getattr(type(around), "__missing__", None)
    found = {}
    for name in names:
        try:
            found[name] = (
                dict.__getitem__(around, name)
                if name in dict.keys(around) or not missing
                else missing(around, name)
            )
        except KeyError:
            continue  # a builtin, or nothing
    return found


def _cell(value: CellType, eye: Eye) -> Part:
    try:
        return Part("cell", "full", (eye.child(value.cell_contents),))
    except ValueError:
        return Part("cell", "empty")


def _builtin(value: Any, eye: Eye) -> Part:
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        return _by_name(value)
    return Part("builtin method", value.__name__, (eye.child(owner),))


def _weak(value: weakref.ref[Any], eye: Eye) -> Part:
    return Part("weakref", (), (eye.child(value()),))


_EXACT: Final[dict[type, Callable[[Any, Eye], Part]]] = {
    set: _set,
    frozenset: _set,
    FunctionType: _function,
    BuiltinFunctionType: _builtin,
    CodeType: lambda value, _: Part("code", code_facts(value)),
    CellType: _cell,
    MethodType: lambda value, eye: Part("method", (), _all(eye, (value.__func__, value.__self__))),
    staticmethod: lambda value, eye: Part("staticmethod", (), _all(eye, (value.__func__,))),
    classmethod: lambda value, eye: Part("classmethod", (), _all(eye, (value.__func__,))),
    property: lambda value, eye: Part(
        "property", value.__doc__, _all(eye, (value.fget, value.fset, value.fdel))
    ),
    MappingProxyType: lambda value, eye: Part(
        "mappingproxy", (), _all(eye, [x for p in value.items() for x in p])
    ),
    weakref.ref: _weak,
}


# -- instances ----------------------------------------------------------------------------------------------------


def _instance(value: Any, eye: Eye) -> Part:
    cls = type(value)
    if isinstance(value, set | frozenset):
        content: list[object] = [eye.child(_set(value, eye))]
    elif _reduces_itself(cls) or not _is_plain(value, eye):
        return _reduced(value, eye)
    else:
        content = [
            eye.child(content(value, eye)) for base, content in _CONTENT.items() if issubclass(cls, base)
        ]
    own = _own_dict(value)
    slots = _slots(value)
    children = (
        eye.child(cls),
        *content,
        eye.child(own),
        *_all(eye, slots.values()),
    )
    return Part("instance", tuple(slots), children)


_CONTENT: Final[dict[type, Callable[[Any, Eye], object]]] = {
    list: lambda value, eye: Part("list", (), _all(eye, list.__iter__(value))),
    tuple: lambda value, eye: Part("tuple", (), _all(eye, tuple.__iter__(value))),
    dict: lambda value, eye: Part("dict", (), _all(eye, [x for pair in dict.items(value) for x in pair])),
    int: lambda value, _: int.__int__(value),
    float: lambda value, _: float.__float__(value),
    complex: lambda value, _: complex(value.real, value.imag),
    str: lambda value, _: str.__str__(value),
    bytes: lambda value, _: bytes.__getitem__(value, slice(None)),
}


def _reduces_itself(cls: Any) -> bool:
    return (
        cls in copyreg.dispatch_table
        or not cls.__flags__ & _HEAP_TYPE
        or cls.__reduce_ex__ is not object.__reduce_ex__
        or cls.__reduce__ is not object.__reduce__
        or cls.__getstate__ is not object.__getstate__
    )


def _is_plain(value: Any, eye: Eye) -> bool:
    """Say whether a class keeps nothing but what Python sees; asked once for each class."""
    cls = type(value)
    if cls not in eye.plain:
        try:
            object.__reduce_ex__(value, 4)
            eye.plain[cls] = True
        except TypeError:
            eye.plain[cls] = False
    return eye.plain[cls]


def _own_dict(value: Any) -> object:
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None


def _slots(value: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for cls in type(value).__mro__:
        for name, member in vars(cls).items():
            if isinstance(member, MemberDescriptorType) and "__slots__" in vars(cls):
                try:
                    found[name] = member.__get__(value)
                except AttributeError:
                    continue  # a slot that holds nothing
    return dict(sorted(found.items()))


def _reduced(value: Any, eye: Eye) -> Part:
    """Look at what `__reduce_ex__` gives: how it is made again, from what, and its state."""
    reducer = copyreg.dispatch_table.get(type(value))
    try:
        told = reducer(value) if reducer else value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - whatever the object raises, it cannot be looked into
        told = None
    if not isinstance(told, str | tuple):
        eye.blind(value)
        return Part("opaque", (), (eye.child(type(value)),))
    if isinstance(told, str):
        return Part("imported", (getattr(value, "__module__", None), told))
    child = partial(within_pandas, eye=eye) if _is_of_pandas(value) else eye.child
    make, arguments, state, items, pairs, setter = [*told, None, None, None, None][:6]
    listed = [child(item) for item in items or ()]
    paired = [child(each) for pair in pairs or () for each in pair]
    if make is iter:  # whatever it went over, an iterator is what it is reduced to
        return Part("iterator", state or 0, tuple(child(argument) for argument in arguments))
    children = (
        eye.child(type(value)),
        eye.child(make),
        *[child(argument) for argument in arguments],
        child(state)
        if not isinstance(state, dict) or state is _own_dict(value)
        else eye.child(_state(state, child)),
        eye.child(setter),
        *listed,
        *paired,
    )
    return Part("reduced", (len(arguments), len(listed), len(paired)), children)


def _state(state: dict[Any, Any], child: Callable[[object], object]) -> Part:
    items = sorted(state.items()) if all(type(key) is str for key in state) else list(state.items())
    return Part("state", len(state), tuple([child(each) for pair in items for each in pair]))


def _is_of_pandas(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas"


def within_pandas(value: Any, eye: Eye) -> object:
    """Return what a pandas object is made of as a child: a value, for which of its arrays and dtypes it is does not show."""
    from harness.oracle._arrays import describe_array

    if type(value) in {list, tuple, dict}:
        items = [each for pair in value.items() for each in pair] if type(value) is dict else value
        return eye.child(
            Part(type(value).__name__, len(value), tuple([within_pandas(each, eye) for each in items]))
        )
    if isinstance(value, np.ndarray):
        return eye.child(describe_array(value, eye))
    return eye.child(_reduced(value, eye) if _is_of_pandas(value) and not hasattr(value, "_mgr") else value)
