"""What a known holder holds, such as the history of what was shown, so that it is no stranger to the objects it shares."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_LOOKED_AT: Final = 10_000


def explain(held: Sequence[object], count: Callable[[object], None], values: Iterable[object] = ()) -> None:
    """Count every reference that the holder has to an object, directly or through what is its alone.

    Parameters
    ----------
    held
        What it holds directly, once for each reference.
    count
        Called once for each reference; it keeps none.
    values
        Variables with which what is held may share what no variable tells of: pandas' labels share a cache with their views.
    """
    for value in held:
        count(value)
    value = None
    times = Counter(map(id, held))
    pending: list[Any] = []
    for place in range(len(held)):
        known = times.pop(id(held[place]), 0)
        if known and sys.getrefcount(held[place]) - _OURS == 2 * known:  # the holder's, and those of `held`
            pending.append(held[place])
    labels = _labels(values)
    left = _walk(pending, count, labels, _LOOKED_AT)
    if labels:
        _walk(_shared_caches(labels), count, [], left)


def _walk(pending: list[Any], count: Callable[[object], None], labels: list[Any], left: int) -> int:
    """Count what private objects refer to, the newest first; add labels that are met. Return how many may be looked at yet."""
    pandas = sys.modules.get("pandas")
    while pending and left > 0:
        value = pending.pop()
        if pandas is not None and isinstance(value, pandas.Index):
            labels.append(value)
        below = _below(value)
        del value
        left -= 1 + len(below)
        while below:
            private = _is_private(below)
            found = below.pop()
            count(found)
            if private:
                pending.append(found)
            del found
    return left


def _labels(values: Iterable[object]) -> list[Any]:
    """Return the labels of variables that are pandas objects, each once."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return []
    found: dict[int, Any] = {}
    for value in values:
        if isinstance(value, pandas.Index):
            found[id(value)] = value
        elif isinstance(value, pandas.DataFrame | pandas.Series):
            found.update((id(label), label) for label in getattr(value, "_mgr").axes)  # noqa: B009  (no public name)
    return list(found.values())


def _shared_caches(labels: list[Any]) -> list[Any]:
    """Return the caches that several of these labels share, and nobody else; what is one label's alone is its own affair."""
    sharing: dict[int, list[Any]] = {}
    for label in labels:
        cache = getattr(label, "_cache", None)
        if type(cache) is dict:
            sharing.setdefault(id(cache), []).append(cache)
        del cache
    shared: list[Any] = []
    while sharing:
        caches = sharing.popitem()[1]
        if len(caches) > 1 and sys.getrefcount(caches[0]) - _OURS == 2 * len(caches):
            shared.append(caches[0])
    return shared


def _below(value: Any) -> list[Any]:
    """Return what an object refers to, the memory of an array included, but no types and modules."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return [] if value.base is None else [value.base]
    if type(value) in _CONTAINERS and len(value) > _LOOKED_AT:
        return []
    return [found for found in gc.get_referents(value) if not isinstance(found, _COMMON)]


def _is_private(below: list[Any]) -> bool:
    """Say whether nobody holds the last of these but the one whose they are, and the list."""
    return sys.getrefcount(below[-1]) - _OURS <= 2


def _measure() -> int:
    """Learn how many references `getrefcount` itself adds to one that a list holds."""
    held = [[object()]]
    return sys.getrefcount(held[0]) - 1


_OURS: Final = _measure()
_CONTAINERS: Final = frozenset({dict, frozenset, list, set, tuple})
_COMMON: Final = (str, bytes, int, float, complex, type(None), type(sys))
