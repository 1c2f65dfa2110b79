"""Whether a value is plain: of known types all the way down, so that reading it runs no code of the user's."""

from __future__ import annotations

import sys
from typing import Any, Final

_ATOMS: Final = frozenset({int, float, complex, bool, str, bytes, type(None), type(...), range})
_MOST: Final = 10_000  # containers
_FRAME_ATTRIBUTES: Final = frozenset(
    {"_mgr", "_item_cache", "_attrs", "_flags", "_name", "attrs", "_metadata"}
)
_INDEXES: Final = frozenset({"Index", "RangeIndex", "DatetimeIndex", "TimedeltaIndex"})


def is_plain(value: object) -> bool:
    """Say whether a value is plain; one of very many containers counts as not."""
    pending = [value]
    seen: set[int] = set()
    while pending:
        found: Any = pending.pop()
        cls = type(found)
        if cls in _ATOMS or id(found) in seen:
            continue
        seen.add(id(found))
        if len(seen) > _MOST:
            return False
        if cls is dict:
            pending += _no_atoms(found)
            pending += _no_atoms(found.values())
        elif cls is list or cls is tuple or cls is set or cls is frozenset:
            pending += _no_atoms(found)
        elif not _is_plain_data(found, cls):
            return False
    return True


def _no_atoms(values: Any) -> list[object]:
    if _ATOMS.issuperset(map(type, values)):
        return []
    return [value for value in values if type(value) not in _ATOMS]


def _is_plain_data(value: Any, cls: type) -> bool:
    """Say whether a value is an array, a scalar, a Series, a frame or an index without objects that are not plain."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and (
        cls is numpy.ndarray or (issubclass(cls, numpy.generic) and _is_of(cls, "numpy"))
    ):
        return not value.dtype.hasobject
    if pandas is None:
        return False
    if cls is pandas.DataFrame:
        return (
            vars(value).keys() <= _FRAME_ATTRIBUTES
            and not value.attrs
            and _is_plain_index(value.index)
            and _is_plain_index(value.columns)
            and all(
                map(_is_plain_column, value._mgr.arrays)
            )  # columns that are asked for would be cached in it
        )
    if cls is pandas.Series:
        return (
            vars(value).keys() <= _FRAME_ATTRIBUTES
            and not value.attrs
            and type(value.name) in _ATOMS
            and _is_plain_index(value.index)
            and all(map(_is_plain_column, value._mgr.arrays))
        )
    return cls.__name__ in _INDEXES and _is_plain_index(value)


def _is_plain_index(index: Any) -> bool:
    pandas: Any = sys.modules["pandas"]
    cls = type(index)
    if cls.__name__ not in _INDEXES or getattr(pandas, cls.__name__) is not cls:
        return False
    return type(index.name) in _ATOMS and (cls is pandas.RangeIndex or _is_plain_column(index._values))


def _is_plain_column(column: Any) -> bool:
    numpy: Any = sys.modules["numpy"]
    cls = type(column)
    if not (cls is numpy.ndarray or _is_of(cls, "pandas")):
        return False
    if isinstance(column.dtype, numpy.dtype):
        return not column.dtype.hasobject or _ATOMS.issuperset(map(type, numpy.ravel(column).tolist()))
    return type(column.dtype).__name__ in {"StringDtype", "DatetimeTZDtype"}


def _is_of(cls: type, library: str) -> bool:
    return cls.__module__.partition(".")[0] == library
