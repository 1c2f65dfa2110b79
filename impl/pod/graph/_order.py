"""The order of a set's elements in a pod: by content, so that no hash seed and no address shows in the bytes."""

from __future__ import annotations

from typing import Any, Final

from pod.graph._names import module_of

_DEEPEST: Final = 16


def in_order(elements: set[Any] | frozenset[Any]) -> list[Any]:
    """Return a set's elements ordered by content; objects that tell nothing of theirs keep the set's order."""
    kinds = {type(element) for element in elements}
    if len(kinds) == 1 and kinds < _SORTABLE:
        return sorted(elements)
    return sorted(elements, key=_key)


def _key(value: Any, depth: int = 0) -> tuple[Any, ...]:
    cls = type(value)
    name = f"{module_of(cls)}.{cls.__qualname__}"
    if cls in _SORTABLE:
        return (name, value)
    if cls is float or cls is complex or value is None or value is ... or cls is bool:
        return (name, repr(value))
    if depth < _DEEPEST:
        if cls is tuple:
            return (name, *(_key(item, depth + 1) for item in value))
        if cls is frozenset:
            return (name, *sorted(_key(item, depth + 1) for item in value))
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return (name, f"{getattr(value, '__module__', '')}.{value.__qualname__}")
    named = getattr(value, "_name_", None)
    return (name, named) if isinstance(named, str) else (name,)


_SORTABLE: Final = frozenset({int, str, bytes})
