"""Classes by value: a skeleton first, so that whatever refers to the class can, and then its attributes.

No hook runs when a class is made again, neither a metaclass's `__new__` and `__init__` nor a base's `__init_subclass__`, nor
`__set_name__`: what they did to the class is among its attributes, what they did elsewhere is stored there, and what they
were called with is not known. The members of an enumeration are made again without its `__new__` and `__init__`.
"""

from __future__ import annotations

import abc
import builtins
import enum
import types
from contextlib import contextmanager
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any, Final

from pod.graph._atoms import is_atom
from pod.graph._foreign import DECLARED, FIELDS, is_foreign, is_made, reduce_foreign
from pod.graph._names import module_of
from pod.graph._types import APART, BY_CALL, Reduced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_HEAP: Final = 1 << 9
_CONSTANT: Final = 1 << 8
_COMPILED: Final = (types.BuiltinFunctionType, types.WrapperDescriptorType)
_HOOK: Final = "__init_subclass__"
_HOOKS: Final = RLock()  # held while classes are without
_GIVEN: Final = frozenset(
    {"__dict__", "__weakref__", "__module__", "__qualname__", "__slots__", "__doc__", "__orig_bases__", "__slotnames__",
     "_abc_impl"}
)  # fmt: skip
_ENUM_MADE: Final = frozenset(
    {"_member_names_", "_member_map_", "_value2member_map_", "_unhashable_values_", "_hashable_values_", "_unhashable_values_map_",
     "_member_type_", "_value_repr_", "__new__", "_flag_mask_", "_all_bits_", "_singles_mask_", "_inverted_", "_sort_order_"}
)  # fmt: skip
_ENUM_INHERITED: Final = ("_generate_next_value_", "_boundary_")  # a class has them if its base has
_MEMBER_MADE: Final = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_"})
# How the content of a member that is a value of a type is told from the member.
_CONTENT: Final[dict[type, Callable[[Any], object] | None]] = {
    object: None,
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda member: bytes.__getitem__(member, slice(None)),
    tuple: lambda member: tuple.__getitem__(member, slice(None)),
}
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
            name: value if _is_behaviour(value) or (name == FIELDS and is_foreign(cls)) else None
            for name, value in attributes.items()
            if name not in _SET_LAST
        }


def reduce_class(cls: type) -> Reduced:
    """Take a class apart that no import finds."""
    foreign = reduce_foreign(cls)
    if foreign is not None:
        return foreign
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
    if is_foreign(cls):
        given |= {name: attributes.pop(name) for name in DECLARED if name in attributes}
        attributes = {name: value for name, value in attributes.items() if not is_made(name, value)}
    if attributes.get("__annotations__") == {}:  # made by whoever asked for them
        del attributes["__annotations__"]
    for name in _SET_LAST:  # set first when the class is made again
        if name in attributes:
            attributes[name] = attributes.pop(name)
    registered = abc._get_dump(cls)[0] if isinstance(cls, abc.ABCMeta) else ()  # type: ignore[attr-defined]
    registry = [found for found in (reference() for reference in registered) if found is not None]
    registry.sort(key=lambda found: (module_of(found), found.__qualname__))
    arguments = (type(cls), cls.__name__, cls.__bases__, given)
    behaviour = Behaviour(cls, attributes)
    if is_foreign(cls):
        attributes.pop(FIELDS, None)  # they can be set once
    state = (behaviour, attributes, registry)
    return Reduced(BY_CALL, make_class, arguments, state, setter=fill_class, flags=APART)


def _reduce_enum(cls: type[enum.Enum], given: dict[str, object]) -> Reduced:
    members: Mapping[str, Any] = cls.__members__
    values = {name: member._value_ for name, member in members.items()}
    first = cls.__bases__[-1]
    attributes = {
        name: value
        for name, value in cls.__dict__.items()
        if name not in _GIVEN | _ENUM_MADE
        and name not in members
        and not (name in _ENUM_INHERITED and getattr(cls, name) is getattr(first, name, None))
    }
    ours = sorted(
        name for name in attributes if name.startswith("_")
    )  # some are there before the others are set again
    attributes = {
        name: attributes[name] for name in (*ours, *(name for name in attributes if name[0] != "_"))
    }
    native: Any = next(base for base in cls.__mro__ if not base.__flags__ & _HEAP)
    if native not in _CONTENT:
        arguments: tuple[object, ...] = (type(cls), cls.__name__, cls.__bases__, given, values)
        return Reduced(
            BY_CALL,
            make_enum,
            arguments,
            (Behaviour(cls, attributes), attributes, []),
            setter=fill_class,
            flags=APART,
        )
    content = _CONTENT[native]
    contents = () if content is None else tuple(content(member) for member in members.values())
    own = {
        name: {key: value for key, value in vars(member).items() if key not in _MEMBER_MADE}
        for name, member in members.items()
        if member._name_ == name and vars(member).keys() - _MEMBER_MADE
    }
    arguments = (type(cls), cls.__name__, cls.__bases__, given, values, native, contents)
    state = (Behaviour(cls, attributes), attributes, own)
    return Reduced(BY_CALL, make_members, arguments, state, setter=fill_members, flags=APART)


def reduce_behaviour(behaviour: Behaviour) -> Reduced:
    """Take apart what stands for how a class behaves."""
    return Reduced(BY_CALL, give_behaviour, (behaviour.cls, behaviour.attributes))


def _is_behaviour(value: object) -> bool:
    return is_atom(value) or hasattr(type(value), "__get__")


def make_class(metaclass: type, name: str, bases: tuple[Any, ...], given: dict[str, Any]) -> type:
    """Make a class without its attributes."""
    native = _native(metaclass)
    with _without_hooks(bases):
        if native is None:
            made_by, body, keywords = types.prepare_class(name, bases, {"metaclass": metaclass})
            body.update(given)
            made: type = _call_where_there_is_no_name(made_by, name, bases, body, **keywords)
        else:
            made = _call_where_there_is_no_name(native.__new__, metaclass, name, bases, dict(given))
    return made


def _native(metaclass: type) -> Any:
    """Return whose `__new__` makes the classes of a metaclass, None if only the metaclass itself can."""
    for base in metaclass.__mro__:
        if base is type or base is abc.ABCMeta:
            return base
        if any(type(vars(base).get(name)) in _COMPILED for name in ("__new__", "__init__")):
            return None
    return None


@contextmanager
def _without_hooks(bases: tuple[Any, ...]) -> Iterator[None]:
    """Run the block so that no `__init_subclass__` runs for classes that this thread makes of these bases."""
    this = get_ident()

    def quieted(hook: Any) -> Any:
        def run(cls: type, /, **keywords: Any) -> None:
            if get_ident() != this:
                hook.__get__(None, cls)(**keywords)

        return classmethod(run)

    with _HOOKS:
        hooks = {
            base: vars(base)[_HOOK]
            for base in dict.fromkeys(above for base in bases for above in base.__mro__)
            if _HOOK in vars(base) and base.__flags__ & _HEAP and not base.__flags__ & _CONSTANT
            if module_of(base) != "typing"
        }
        try:
            for base, hook in hooks.items():
                _set(base, _HOOK, quieted(hook))
            yield
        finally:
            for base, hook in hooks.items():
                _set(base, _HOOK, hook)


def _call(make: Any, *arguments: Any, **keywords: Any) -> Any:
    return make(*arguments, **keywords)


# A class is of the module that its maker's globals name, and cannot be rid of it later: these globals name none.
_call_where_there_is_no_name: Final = types.FunctionType(_call.__code__, {"__builtins__": builtins})


def make_enum(
    metaclass: Any, name: str, bases: tuple[type, ...], given: dict[str, Any], members: dict[str, Any]
) -> type:
    """Make an enumeration with its members, as its values say."""
    body = metaclass.__prepare__(name, bases)
    for member, value in members.items():
        body[member] = value
    for key, value in given.items():
        body[key] = value
    made: type = metaclass.__new__(metaclass, name, bases, body)
    return made


def make_members(
    metaclass: Any,
    name: str,
    bases: tuple[type, ...],
    given: dict[str, Any],
    values: dict[str, Any],
    native: Any,
    contents: tuple[Any, ...],
) -> type:
    """Make an enumeration with its members, which are of a native type and have no attributes of their own yet."""
    pending = zip(values.values(), contents or ((),) * len(values), strict=True)

    def new(cls: type, *_: Any) -> Any:
        value, content = next(pending)
        member = native.__new__(cls, content) if contents else native.__new__(cls)
        member._value_ = value
        return member

    def init(_self: Any, *_: Any) -> None:
        pass

    body: Any = enum.EnumType.__prepare__(name, bases)
    for member, value in values.items():
        body[member] = enum.member(value)
    for key, value in given.items():
        body[key] = value
    body["__new__"] = new
    body["__init__"] = init
    with _without_hooks(bases):
        made: type = enum.EnumType.__new__(metaclass, name, bases, body)
    type.__delattr__(made, "__init__")
    type.__delattr__(made, "__new_member__")
    return made


def give_behaviour(cls: type, attributes: dict[str, object]) -> None:
    """Give a class its methods, and its other attributes their places."""
    for name, value in attributes.items():
        _set(cls, name, value)


def _set(cls: type, name: str, value: object) -> None:
    """Set an attribute of a class; no code of its metaclass runs but that of a compiled one."""
    metaclass: type = type(cls)
    found = (vars(base).get("__setattr__") for base in metaclass.__mro__)
    next(setter for setter in found if isinstance(setter, types.WrapperDescriptorType))(cls, name, value)


def fill_class(cls: Any, state: tuple[Any, ...]) -> None:
    """Give a class its attributes, as its body did, and the classes registered with it."""
    *_, attributes, registry = state  # a store may be older than `Behaviour`
    for name, value in attributes.items():
        _set(cls, name, value)
    for found in registry:
        cls.register(found)


def fill_members(cls: Any, state: tuple[Any, ...]) -> None:
    """Give an enumeration its attributes, and its members theirs."""
    _behaviour, attributes, own = state
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)
    for name, found in own.items():
        vars(cls._member_map_[name]).update(found)


def _mangled(class_name: str, name: str) -> str:
    if name.startswith("__") and not name.endswith("__"):
        return f"_{class_name.lstrip('_')}{name}"
    return name
