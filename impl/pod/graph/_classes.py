"""Classes by value: a skeleton first, so that whatever refers to the class can, and then its attributes."""

from __future__ import annotations

import abc
import builtins
import enum
import types
from typing import Any, Final

from pod.graph._atoms import is_atom
from pod.graph._names import module_of
from pod.graph._types import APART, BY_CALL, Reduced

_GIVEN: Final = frozenset(
    {"__dict__", "__weakref__", "__module__", "__qualname__", "__slots__", "__doc__", "__orig_bases__", "__slotnames__",
     "_abc_impl"}
)  # fmt: skip
_ENUM_MADE: Final = frozenset(
    {"_member_names_", "_member_map_", "_value2member_map_", "_unhashable_values_", "_hashable_values_", "_unhashable_values_map_",
     "_generate_next_value_", "_missing_", "_new_member_", "_use_args_", "_member_type_", "_value_repr_", "__new__", "__new_member__",
     "_boundary_", "_flag_mask_", "_all_bits_", "_singles_mask_", "_inverted_", "_sort_order_"}
)  # fmt: skip
_SET_LAST: Final = ("__parameters__", "__abstractmethods__")


class Behaviour:
    """Stands for how a class behaves: its methods and other descriptors.

    It is written, and so read, before the attributes that hold data: among those may be instances of the class, and to make
    one, to compare it or to put it into a set takes the methods. Names that come later are given None, so that the order stays.
    """

    __slots__ = ("attributes", "cls")

    def __init__(self, cls: type, attributes: dict[str, object]) -> None:
        self.cls = cls
        self.attributes = {
            name: value if _is_behaviour(value) else None
            for name, value in attributes.items()
            if name not in _SET_LAST
        }


def reduce_class(cls: type) -> Reduced:
    """Take a class apart that no import finds."""
    given: dict[str, object] = {"__qualname__": cls.__qualname__, "__doc__": cls.__dict__.get("__doc__")}
    if "__module__" in cls.__dict__:
        given["__module__"] = cls.__dict__["__module__"]
    if issubclass(cls, enum.Enum):
        return _reduce_enum(cls, given)
    slots = cls.__dict__.get("__slots__")
    if slots is not None:
        given["__slots__"] = slots
    members = (slots,) if isinstance(slots, str) else tuple(slots or ())
    left_out = _GIVEN | {_mangled(cls.__name__, name) for name in members}
    if "__orig_bases__" in cls.__dict__:  # typing wants to see it when the class is made
        given["__orig_bases__"] = cls.__dict__["__orig_bases__"]
    attributes = {name: value for name, value in cls.__dict__.items() if name not in left_out}
    if attributes.get("__annotations__") == {}:  # made by whoever asked for them
        del attributes["__annotations__"]
    for name in _SET_LAST:  # set first when the class is made again
        if name in attributes:
            attributes[name] = attributes.pop(name)
    registered = abc._get_dump(cls)[0] if isinstance(cls, abc.ABCMeta) else ()  # type: ignore[attr-defined]
    registry = [found for found in (reference() for reference in registered) if found is not None]
    registry.sort(key=lambda found: (module_of(found), found.__qualname__))
    arguments = (type(cls), cls.__name__, cls.__bases__, given)
    state = (Behaviour(cls, attributes), attributes, registry)
    return Reduced(BY_CALL, make_class, arguments, state, setter=fill_class, flags=APART)


def _reduce_enum(cls: type[enum.Enum], given: dict[str, object]) -> Reduced:
    members = {name: member.value for name, member in cls.__members__.items()}
    attributes = {
        name: value
        for name, value in cls.__dict__.items()
        if name not in _GIVEN | _ENUM_MADE and name not in members and not isinstance(value, enum.property)
    }
    arguments = (type(cls), cls.__name__, cls.__bases__, given, members)
    state: tuple[object, ...] = (Behaviour(cls, attributes), attributes, [])
    return Reduced(BY_CALL, make_enum, arguments, state, setter=fill_class, flags=APART)


def reduce_behaviour(behaviour: Behaviour) -> Reduced:
    """Take apart what stands for how a class behaves."""
    return Reduced(BY_CALL, give_behaviour, (behaviour.cls, behaviour.attributes))


def _is_behaviour(value: object) -> bool:
    return is_atom(value) or hasattr(type(value), "__get__")


def make_class(metaclass: type, name: str, bases: tuple[Any, ...], given: dict[str, Any]) -> type:
    """Make a class without its attributes."""
    if "__module__" in given:
        return types.new_class(name, bases, {"metaclass": metaclass}, lambda body: body.update(given))
    made_by, body, keywords = types.prepare_class(name, bases, {"metaclass": metaclass})
    body.update(given)
    made: type = _call_where_there_is_no_name(made_by, name, bases, body, **keywords)
    return made


def _call(make: Any, *arguments: Any, **keywords: Any) -> Any:
    return make(*arguments, **keywords)


# A class is of the module that its maker's globals name, and cannot be rid of it later: these globals name none.
_call_where_there_is_no_name: Final = types.FunctionType(_call.__code__, {"__builtins__": builtins})


def make_enum(
    metaclass: Any, name: str, bases: tuple[type, ...], given: dict[str, Any], members: dict[str, Any]
) -> type:
    """Make an enumeration with its members."""
    body = metaclass.__prepare__(name, bases)
    for member, value in members.items():
        body[member] = value
    for key, value in given.items():
        body[key] = value
    made: type = metaclass.__new__(metaclass, name, bases, body)
    return made


def give_behaviour(cls: type, attributes: dict[str, object]) -> None:
    """Give a class its methods, and its other attributes their places."""
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)


def fill_class(cls: Any, state: tuple[Any, ...]) -> None:
    """Give a class its attributes, as its body did, and the classes registered with it."""
    *_, attributes, registry = state  # a store may be older than `Behaviour`
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)
    for found in registry:
        cls.register(found)


def _mangled(class_name: str, name: str) -> str:
    if name.startswith("__") and not name.endswith("__"):
        return f"_{class_name.lstrip('_')}{name}"
    return name
