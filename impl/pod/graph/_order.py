"""The order of a set's elements in a pod: by content, so that no hash seed and no address shows in the bytes."""

from __future__ import annotations

import copyreg
import datetime
import pathlib
import uuid
from itertools import islice
from typing import Any, Final

from pod.graph._atoms import ATOMS
from pod.graph._names import module_of

_DEEPEST: Final = 16
_MOST_PARTS: Final = 64  # words that are told of one element
_LONGEST: Final = 200  # characters or bytes that are told of one atom, from each end
_PROTOCOL: Final = 5


def in_order(elements: set[Any] | frozenset[Any]) -> list[Any]:
    """Return a set's elements ordered by content; those that tell the same of theirs keep the set's order."""
    kinds = {type(element) for element in elements}
    if len(kinds) == 1 and kinds < _SORTABLE:
        return sorted(elements)
    if len(kinds) == 1 and kinds < _COMPARABLE:
        try:
            return sorted(elements)
        except TypeError:  # times with and without a time zone
            pass
    return sorted(elements, key=_key)


def _key(value: Any, depth: int = 0) -> tuple[Any, ...]:
    cls = type(value)
    name = _name(cls)
    if cls in _SORTABLE:
        return (name, value)
    if cls is float or cls is complex or value is None or value is ... or cls is bool:
        return (name, repr(value))
    if depth < _DEEPEST:
        if cls is tuple:
            return (name, *(_key(item, depth + 1) for item in value))
        if cls is frozenset:
            return (name, *sorted(_key(item, depth + 1) for item in value))
    return (name, "\0".join(_told(value, depth, _MOST_PARTS)))


def _told(value: Any, depth: int, most: int) -> list[str]:
    """Tell what a value is, in at most so many words, which are the same in any process."""
    parts: list[str] = []
    _tell(value, parts, depth, most)
    return parts


def _tell(value: Any, parts: list[str], depth: int, most: int) -> None:
    cls = type(value)
    if cls in ATOMS:
        parts.append(_atom(value))
        return
    named = _named(value)
    if named is not None:
        parts.append(named)
        return
    parts.append(_name(cls))
    left = most - len(parts)
    if depth >= _DEEPEST or left <= 0:
        return
    if cls is set or cls is frozenset:
        # Each item has the same share, so that it does not matter which comes first.
        parts.append(str(len(value)))
        if left > len(value):
            parts += sorted("\1".join(_told(item, depth + 1, left // len(value))) for item in value)
        return
    for item in _inside(value, cls, left):
        if len(parts) >= most:
            break
        _tell(item, parts, depth + 1, most)


def _inside(value: Any, cls: type, most: int) -> Any:
    """Return what is in a value: the items of a container, or what the value says of itself to pickle."""
    if cls is tuple or cls is list:
        return value
    if cls is dict:
        return [part for pair in islice(value.items(), most) for part in pair]
    reduce = copyreg.dispatch_table.get(cls)
    try:
        found = value.__reduce_ex__(_PROTOCOL) if reduce is None else reduce(value)
    except Exception:  # noqa: BLE001  (it tells nothing; whether it can be saved is found out elsewhere)
        return ()
    return found if isinstance(found, tuple) else (found,)


def _named(value: Any) -> str | None:
    """Return the name of a class, a function or a member of an enumeration, None for anything else."""
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    name = getattr(value, "_name_", None)
    return f"{_name(type(value))}.{name}" if isinstance(name, str) else None


def _atom(value: Any) -> str:
    if isinstance(value, str | bytes) and len(value) > 2 * _LONGEST:
        return f"{len(value)} {value[:_LONGEST]!r} {value[-_LONGEST:]!r}"
    if type(value) is int:
        return hex(value)  # a long one has no decimal digits
    return repr(value)


def _name(cls: type) -> str:
    return f"{module_of(cls)}.{cls.__qualname__}"


_SORTABLE: Final = frozenset({int, str, bytes})
_COMPARABLE: Final = frozenset(
    {
        datetime.date,
        datetime.datetime,
        datetime.timedelta,
        uuid.UUID,
        type(pathlib.Path()),
        type(pathlib.PurePath()),
    }
)
