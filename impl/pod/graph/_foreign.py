"""Classes of ctypes: what a session declares of C's types is declared again.

ctypes lays a structure out when its `_fields_` are set, and makes a descriptor of each field, which cannot be saved. Its
metaclasses have no name that an import finds, and neither have the classes that it makes of a type.
"""

from __future__ import annotations

import operator
import sys
from typing import Any, Final

from pod.graph._types import BY_CALL, IMMUTABLE, Reduced

FIELDS: Final = "_fields_"
DECLARED: Final = (
    "_type_",
    "_length_",
    "_flags_",
    "_restype_",
    "_argtypes_",
    "_pack_",
    "_align_",
    "_layout_",
    "_anonymous_",
)
_BASES: Final = ("Structure", "Union", "Array", "_SimpleCData", "_Pointer", "_CFuncPtr")
_NATIVE, _SWAPPED = ("__ctype_le__", "__ctype_be__")[:: 1 if sys.byteorder == "little" else -1]


def is_foreign(cls: type) -> bool:
    """Say whether a class is one of ctypes, or is derived from one."""
    return isinstance(cls, tuple(type(base) for base in _bases()))


def is_made(name: str, value: object) -> bool:
    """Say whether an attribute of a class of ctypes was made with the class, or when its fields were set."""
    return name in {_NATIVE, _SWAPPED} or type(value).__name__ == "CField"


def reduce_foreign(cls: Any) -> Reduced | None:
    """Take apart a metaclass of ctypes, or a class that ctypes makes of another; None for all else."""
    for base in _bases():
        if type(base) is cls:
            return Reduced(BY_CALL, type, (base,), flags=IMMUTABLE)
    if not is_foreign(cls):
        return None
    ctypes = sys.modules["ctypes"]
    own = cls.__dict__
    if own.get(_SWAPPED) is cls and own.get(_NATIVE) is not cls:
        return Reduced(BY_CALL, getattr, (own[_NATIVE], _SWAPPED))
    if cls.__bases__ == (ctypes.Array,) and cls._type_ * cls._length_ is cls:
        return Reduced(BY_CALL, operator.mul, (cls._type_, cls._length_))
    if cls.__bases__ == (ctypes._Pointer,) and "_type_" in own and ctypes.POINTER(cls._type_) is cls:
        return Reduced(BY_CALL, ctypes.POINTER, (cls._type_,))
    return None


def _bases() -> list[type]:
    ctypes = sys.modules.get("ctypes")
    return [] if ctypes is None else [getattr(ctypes, name) for name in _BASES]
