"""How objects are taken apart: pickle's protocol, cloudpickle's rules for what `__main__` defines, and what both lack."""

from __future__ import annotations

import _thread
import copyreg
import dataclasses
import datetime
import decimal
import fractions
import functools
import gc
import pathlib
import pickle
import re
import sys
import threading
import types
import typing
import uuid
import weakref
from typing import TYPE_CHECKING, Any, Final

from pod.graph import _arrays, _classes, _exceptions, _functions, _tensors
from pod.graph._names import module_name, module_of, name_of
from pod.graph._types import (
    BY_BUFFER,
    BY_CALL,
    BY_NAME,
    BY_NEW,
    BY_NEW_EX,
    IMMUTABLE,
    OWN_DICT,
    STUB,
    Reduced,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_PROTOCOL: Final = 5
_DEFAULT_GETSTATE: Final = object.__getstate__ if hasattr(object, "__getstate__") else None
_BASES_WITH_CONTENT: Final = (
    list,
    dict,
    set,
    frozenset,
    tuple,
    str,
    bytes,
    bytearray,
    int,
    float,
    complex,
    BaseException,
    type,
)
_HEAP: Final = 1 << 9
_METADATA: Final = "_metadata"
"""What pandas puts into the state of a frame although it is its class's: a list that other frames hold as well."""
_OWN_REFERENCES: Final = 2  # to a `__dict__`: the object's, and getrefcount's argument


class Reducer:
    """Takes apart what the encoder does not know. One lives as long as one save.

    Parameters
    ----------
    namespace
        What is saved: functions whose globals it is refer to it as a whole.
    """

    def __init__(self, namespace: object) -> None:
        self._namespace = namespace
        self._elsewhere = _functions.Elsewhere(namespace)

    def plain(self, cls: type) -> bool:
        """Say whether instances are nothing but their class and their `__dict__`, and are built as such."""
        if not cls.__flags__ & _HEAP or issubclass(cls, _BASES_WITH_CONTENT) or cls in copyreg.dispatch_table:
            return False
        if (
            cls in _BY_TYPE
            or cls in _SINGLETON_TYPES
            or cls.__itemsize__
            or cls.__dictoffset__ == 0
            or cls.__new__ is not object.__new__
        ):
            return False
        if cls.__reduce_ex__ is not object.__reduce_ex__ or cls.__reduce__ is not object.__reduce__:
            return False
        if getattr(cls, "__getstate__", None) is not _DEFAULT_GETSTATE or hasattr(cls, "__setstate__"):
            return False
        if hasattr(cls, "__getnewargs_ex__") or hasattr(cls, "__getnewargs__"):
            return False
        if cls.__getattribute__ is not object.__getattribute__ or "__dict__" in _own_names(cls):
            return False
        return cls.__basicsize__ <= _PLAIN_BYTES and not any(
            base.__dict__.get("__slots__") for base in cls.__mro__
        )

    def reduce(self, obj: Any, /) -> Reduced:
        """Take an object apart; what it raises is the reason why it cannot be saved."""
        cls = type(obj)
        known = _BY_TYPE.get(cls)
        if known is not None:
            return known(self, obj)
        if isinstance(obj, type):
            return self._class(obj)
        special = _special(cls)
        if special is not None:
            reduced = special(obj)
            if reduced is not None:
                return reduced
        if id(obj) in _SINGLETONS:
            module, name = _SINGLETONS[id(obj)]
            return Reduced(BY_NAME, module, name)
        return self._standard(obj, cls)

    def _class(self, cls: type) -> Reduced:
        if cls in _NAMELESS:
            return Reduced(BY_CALL, type, (_NAMELESS[cls],), flags=IMMUTABLE)
        name = name_of(cls)
        return Reduced(BY_NAME, *name) if name is not None else _classes.reduce_class(cls)

    def _function(self, function: types.FunctionType) -> Reduced:
        name = name_of(function)
        if name is not None:
            return Reduced(BY_NAME, *name)
        return _functions.reduce_function(function, self._namespace, self._elsewhere)

    def _standard(self, obj: Any, cls: type) -> Reduced:
        reduce = _exceptions.registered(cls)
        found = reduce(obj) if reduce is not None else obj.__reduce_ex__(_PROTOCOL)
        if reduce is None and isinstance(obj, BaseException):
            found = _exceptions.without_init(obj, found)
        if module_of(cls).startswith("pandas.") and "Block" in cls.__name__:
            found = _arrays.owned_within(found, {}, every=_arrays.shares_memory(obj))
        if isinstance(found, str):
            name = name_of(obj, found)
            if name is None:
                raise pickle.PicklingError(f"it says that it is found as {found}, and it is not")
            return Reduced(BY_NAME, *name)
        if not isinstance(found, tuple) or not 2 <= len(found) <= 6:
            raise pickle.PicklingError(
                f"__reduce_ex__ of {cls.__qualname__} returned neither a name nor 2 to 6 values"
            )
        call, arguments, state, items, pairs, setter = (*found, None, None, None, None)[:6]
        kind = BY_CALL
        if call is copyreg.__newobj__:  # type: ignore[attr-defined]
            kind, call, arguments = BY_NEW, arguments[0], arguments[1:]
        elif call is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
            kind, call, arguments = BY_NEW_EX, arguments[0], tuple(arguments[1:])
        shared = getattr(cls, _METADATA, None)
        if type(shared) is list and type(state) is dict and state is not getattr(obj, "__dict__", None):
            state = {name: value for name, value in state.items() if name != _METADATA or value is not shared}
        flags = IMMUTABLE if _is_immutable(cls) else 0
        if setter is None and not _sets_state(obj):
            with_slots = type(state) is tuple and len(state) == 2
            attributes = state[0] if with_slots else state
            is_own = type(attributes) is dict and attributes is getattr(obj, "__dict__", None)
            if is_own or (attributes is None and kind != BY_CALL and _shares_empty_dict(obj)):
                flags |= OWN_DICT
                state = (None, state[1]) if with_slots else None  # so that only the object holds it
            elif type(state) is dict and not state:
                state = ()
        return Reduced(
            kind,
            call,
            arguments,
            state,
            None if items is None else list(items),
            None if pairs is None else list(pairs),
            setter,
            flags=flags,
        )


def _sets_state(obj: Any) -> bool:
    """Say whether an object does something of its own with its state."""
    if isinstance(obj, BaseException) and type(obj).__setstate__ is BaseException.__setstate__:
        return False
    return hasattr(obj, "__setstate__")


def _shares_empty_dict(obj: Any) -> bool:
    """Say whether somebody else holds an object's `__dict__` that is empty: the default `__getstate__` leaves it out."""
    cls = type(obj)
    if (
        getattr(cls, "__getstate__", None) is not _DEFAULT_GETSTATE
        or not cls.__dictoffset__
        or _own_names(cls)
    ):
        return False
    return not obj.__dict__ and sys.getrefcount(obj.__dict__) > _OWN_REFERENCES


def _module(_reducer: Reducer, module: types.ModuleType) -> Reduced:
    name = module_name(module)
    if name is not None:
        return Reduced(BY_NAME, name, "")
    variables = {key: value for key, value in vars(module).items() if key != "__builtins__"}
    return Reduced(BY_CALL, types.ModuleType, (module.__name__,), variables, setter=_fill_module)


def _fill_module(module: types.ModuleType, variables: dict[str, object]) -> None:
    vars(module).update(variables)


def _method(_reducer: Reducer, method: types.MethodType) -> Reduced:
    return Reduced(BY_CALL, types.MethodType, (method.__func__, method.__self__))


def _mapping_proxy(_reducer: Reducer, proxy: Any) -> Reduced:
    return Reduced(BY_CALL, types.MappingProxyType, (gc.get_referents(proxy)[0],))


def _property(_reducer: Reducer, value: property) -> Reduced:
    return Reduced(BY_CALL, property, (value.fget, value.fset, value.fdel, value.__doc__))


def _wrapped_method(_reducer: Reducer, value: Any) -> Reduced:
    return Reduced(BY_CALL, type(value), (value.__func__,))


def _cached_property(_reducer: Reducer, value: functools.cached_property[Any]) -> Reduced:
    return Reduced(BY_CALL, make_cached_property, (value.func, value.attrname))


def make_cached_property(function: Callable[[Any], Any], name: str | None) -> functools.cached_property[Any]:
    """Make a cached property that knows its name."""
    made = functools.cached_property(function)
    if name is not None:
        made.__set_name__(object, name)
    return made


def _memoized(_reducer: Reducer, function: Any) -> Reduced:
    name = name_of(function)
    if name is not None:
        return Reduced(BY_NAME, *name)
    limits = function.cache_parameters()
    state = {key: value for key, value in vars(function).items() if key != "cache_parameters"}
    arguments = (function.__wrapped__, limits["maxsize"], limits["typed"])
    return Reduced(BY_CALL, make_memoized, arguments, state, setter=_fill_attributes)


def make_memoized(function: Callable[..., Any], most: int | None, typed: bool) -> Any:
    """Make an `lru_cache`, empty."""
    return functools.lru_cache(most, typed)(function)


def _fill_attributes(obj: Any, state: dict[str, object]) -> None:
    vars(obj).update(state)


def _lock(_reducer: Reducer, lock: Any) -> Reduced:
    if lock.locked():
        raise pickle.PicklingError("a lock that is held cannot be saved")
    return Reduced(BY_CALL, threading.Lock, ())


def _recursive_lock(_reducer: Reducer, lock: Any) -> Reduced:
    if lock._is_owned():
        raise pickle.PicklingError("a lock that is held cannot be saved")
    return Reduced(BY_CALL, threading.RLock, ())


def _weak_reference(_reducer: Reducer, reference: weakref.ref[Any]) -> Reduced:
    target = reference()
    return (
        Reduced(BY_CALL, make_dead_reference, ())
        if target is None
        else Reduced(BY_CALL, weakref.ref, (target,))
    )


def make_dead_reference() -> weakref.ref[Any]:
    """Make a weak reference whose object is gone."""

    class Gone:
        pass

    return weakref.ref(Gone())


def _memory_view(_reducer: Reducer, view: memoryview) -> Reduced:
    import numpy as np

    owner = view.obj
    if not view.c_contiguous or owner is None:
        raise pickle.PicklingError("a memoryview that does not lie in one piece cannot be saved")
    begin = (
        np.frombuffer(memoryview(owner).cast("B"), np.uint8).ctypes.data if memoryview(owner).nbytes else 0
    )
    offset = np.frombuffer(view.cast("B"), np.uint8).ctypes.data - begin if view.nbytes else 0
    arguments = (owner, offset, view.nbytes, view.format, view.shape, view.readonly)
    return Reduced(BY_CALL, make_memory_view, arguments)


def make_memory_view(
    owner: Any, offset: int, length: int, form: str, shape: tuple[int, ...], readonly: bool
) -> memoryview:
    """Make a memoryview of a part of an object's memory."""
    flat = memoryview(owner).cast("B")[offset : offset + length]
    made = flat if form == "B" and shape == (length,) else flat.cast(form, list(shape))  # type: ignore[call-overload]
    return made.toreadonly() if readonly else made


def _buffer(_reducer: Reducer, buffer: pickle.PickleBuffer) -> Reduced:
    return Reduced(BY_BUFFER, arguments=buffer.raw())


def _dict_view(_reducer: Reducer, view: Any) -> Reduced:
    kind = {type({}.keys()): dict.keys, type({}.values()): dict.values, type({}.items()): dict.items}[
        type(view)
    ]
    return Reduced(BY_CALL, kind, (gc.get_referents(view)[0],))


def _type_variable(_reducer: Reducer, variable: typing.TypeVar) -> Reduced:
    name = name_of(variable, variable.__name__)
    if name is not None:
        return Reduced(BY_NAME, *name)
    newer: Any = variable
    more: tuple[tuple[str, object], ...] = ()
    if getattr(newer, "__infer_variance__", False):  # since Python 3.12
        more += (("infer_variance", True),)
    if hasattr(newer, "has_default") and newer.has_default():  # since Python 3.13
        more += (("default", newer.__default__),)
    arguments = (
        variable.__name__,
        variable.__constraints__,
        variable.__bound__,
        variable.__covariant__,
        variable.__contravariant__,
        getattr(variable, "__module__", None),
        *more,
    )
    return Reduced(BY_CALL, make_type_variable, arguments)


def make_type_variable(
    name: str,
    constraints: tuple[Any, ...],
    bound: Any,
    covariant: bool,
    contravariant: bool,
    module: str | None,
    *more: tuple[str, object],
) -> Any:
    """Make a type variable; `more` is what only some of them have."""
    make: Any = typing.TypeVar
    made = make(
        name, *constraints, bound=bound, covariant=covariant, contravariant=contravariant, **dict(more)
    )
    made.__module__ = module
    return made


def _owned(_reducer: Reducer, owned: _arrays.Owned) -> Reduced:
    array = owned.array
    return _as_stub(
        _arrays.reduce_owned(array, alone=False) or Reducer._standard(_reducer, array, type(array))
    )


def _as_stub(reduced: Reduced) -> Reduced:
    return reduced._replace(flags=reduced.flags | STUB)


def _special(cls: type) -> Callable[[Any], Reduced | None] | None:
    """Return the reducer of a type of a library that need not be there."""
    if _arrays.is_array(cls):
        return _arrays.reduce_array
    if _arrays.is_masked(cls):
        return _arrays.reduce_masked
    if _arrays.is_simple_subclass(cls):
        return _arrays.reduce_subclass
    if _functions.is_ufunc(cls):
        return _functions.reduce_ufunc
    if module_of(cls) == "torch" and cls.__name__ == "Tensor":
        return _tensors.reduce_tensor
    if module_of(cls) == "torch.storage" and cls.__name__ == "UntypedStorage":
        return _tensors.reduce_storage
    return None


def _is_immutable(cls: type) -> bool:
    """Say whether instances never change, so that it does not matter who else holds one."""
    if cls in _IMMUTABLE or issubclass(cls, _IMMUTABLE_BASES):
        return True
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(cls, (numpy.dtype, numpy.generic)) and cls is not numpy.void


def _own_names(cls: type) -> frozenset[str]:
    """Return what classes between `cls` and object define as attributes with data, of the names that matter here."""
    found = set()
    for base in cls.__mro__[:-1]:
        descriptor = base.__dict__.get("__dict__")
        if descriptor is not None and type(descriptor) is not types.GetSetDescriptorType:
            found.add("__dict__")
    return frozenset(found)


class _Plain:
    """The smallest class of instances with a `__dict__`."""


_PLAIN_BYTES: Final = _Plain.__basicsize__
_NAMELESS: Final[dict[type, Any]] = {type(None): None, type(...): ..., type(NotImplemented): NotImplemented}
_SINGLETONS: Final = {
    id(getattr(dataclasses, name)): ("dataclasses", name)
    for name in ("_FIELD", "_FIELD_CLASSVAR", "_FIELD_INITVAR", "MISSING", "KW_ONLY", "_HAS_DEFAULT_FACTORY")
    if hasattr(dataclasses, name)
}
_SINGLETON_TYPES: Final = frozenset(type(getattr(dataclasses, name)) for _, name in _SINGLETONS.values())
_IMMUTABLE: Final = frozenset(
    {range, slice, datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone, decimal.Decimal,
     fractions.Fraction, re.Pattern, uuid.UUID, types.BuiltinFunctionType}
)  # fmt: skip
_IMMUTABLE_BASES: tuple[type, ...] = (pathlib.PurePath,)
_BY_TYPE: Final[dict[type, Callable[[Reducer, Any], Reduced]]] = {
    types.FunctionType: Reducer._function,
    types.CodeType: lambda _reducer, code: _functions.reduce_code(code),
    types.CellType: lambda _reducer, cell: _functions.reduce_cell(cell),
    _classes.Behaviour: lambda _reducer, stub: _as_stub(_classes.reduce_behaviour(stub)),
    _functions.Globals: lambda _reducer, stub: _as_stub(_functions.reduce_globals(stub)),
    _functions.Variables: lambda _reducer, stub: _as_stub(_functions.reduce_variables(stub)),
    _arrays.Owned: _owned,
    types.ModuleType: _module,
    types.MethodType: _method,
    types.MappingProxyType: _mapping_proxy,
    property: _property,
    staticmethod: _wrapped_method,
    classmethod: _wrapped_method,
    functools.cached_property: _cached_property,
    functools._lru_cache_wrapper: _memoized,
    _thread.LockType: _lock,
    type(threading.RLock()): _recursive_lock,
    weakref.ReferenceType: _weak_reference,
    memoryview: _memory_view,
    pickle.PickleBuffer: _buffer,
    type({}.keys()): _dict_view,
    type({}.values()): _dict_view,
    type({}.items()): _dict_view,
    typing.TypeVar: _type_variable,
}


def memory(value: Any) -> memoryview:
    """Return the memory of an object that is reduced to it, flat."""
    if type(value).__name__ == "UntypedStorage":
        return _tensors.storage_memory(value)
    return _arrays.memory(value)
