"""Functions of a namespace that no variable leads to, for somebody else holds them: a thread, a timer, an event loop.

They may run whenever they like, so what they use counts as touched, always. The variables' own functions need no such
care: a save knows what they use, and sees when a stranger holds one of them.
"""

from __future__ import annotations

import functools
import gc
import types
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pod.graph import name_of
from pod.tracking._cells import uses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LOOKED_AT: Final = 20_000
_ITEMS_MOST: Final = 1000


class Strays:
    """The functions whose globals a namespace is, and which of them are strays.

    Attributes
    ----------
    names
        What those use that were astray when they were last looked for; they may have run since, and be gone.
    reach_anything
        Whether there was some function, astray or not, that may get at the whole namespace by a way that its names do not show.
    makers
        What each function used, astray or not, that can make functions.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._functions: list[weakref.ref[types.FunctionType]] = []
        self.names: frozenset[str] = frozenset()
        self.reach_anything = False
        self.makers: tuple[frozenset[str], ...] = ()

    def find(self, values: Iterable[object], *, all_anew: bool) -> None:
        """Find out what is astray, given the values of the variables that were saved.

        Parameters
        ----------
        all_anew
            There may be functions that were not there at the last call. Finding them takes a look at every container of the
            process.
        """
        if all_anew:
            self._functions = [weakref.ref(function) for function in functions_of(self._namespace)]
        known = _alive(self._functions)
        reached = _reached(values, self._namespace) if known else set()
        used = {id(function): uses(function.__code__) for function in known}
        self.reach_anything = any(found.anything for found in used.values())
        self.makers = tuple(found.names for found in used.values() if found.makes_functions)
        self.names = frozenset(
            name for address, found in used.items() if address not in reached for name in found.names
        )


def functions_of(namespace: dict[str, Any]) -> list[types.FunctionType]:
    """Return all living functions whose globals these are."""
    return [
        found
        for found in gc.get_referrers(namespace)
        if type(found) is types.FunctionType and found.__globals__ is namespace
    ]


def _alive(functions: list[weakref.ref[types.FunctionType]]) -> list[types.FunctionType]:
    return [function for found in functions if (function := found()) is not None]


def _reached(values: Iterable[object], namespace: dict[str, Any]) -> set[int]:
    """Return the addresses of what values lead to by ways that a save follows, too; some may be missing."""
    pending = deque(values)
    pending.extend([type(value) for value in pending if type(value).__module__ == "__main__"])
    seen = {id(namespace)}
    while pending and len(seen) < _LOOKED_AT:
        value = pending.popleft()
        below = _BELOW.get(type(value)) or (_below_class if isinstance(value, type) else None)
        if below is not None and id(value) not in seen:
            seen.add(id(value))
            pending.extend(found for found in below(value) if found is not None)
    return seen


def _below_function(value: Any) -> Iterator[object]:
    yield from value.__closure__ or ()
    yield value.__defaults__
    yield value.__kwdefaults__
    yield value.__dict__


def _below_class(value: Any) -> Iterator[object]:
    if name_of(value) is None:
        yield from vars(value).values()
        yield from value.__bases__


def _below_cell(value: Any) -> Iterator[object]:
    try:
        yield value.cell_contents
    except ValueError:  # it is empty
        return


def _items(value: Any) -> Iterable[object]:
    return value if len(value) <= _ITEMS_MOST else ()


def _values(value: Any) -> Iterable[object]:
    return value.values() if len(value) <= _ITEMS_MOST else ()


_BELOW: Final[dict[type, Callable[[Any], Iterable[object]]]] = {
    types.FunctionType: _below_function,
    types.CellType: _below_cell,
    types.MethodType: lambda value: (value.__func__,),
    property: lambda value: (value.fget, value.fset, value.fdel),
    staticmethod: lambda value: (value.__func__,),
    classmethod: lambda value: (value.__func__,),
    functools.partial: lambda value: (value.func, value.args, value.keywords),
    functools.cached_property: lambda value: (value.func,),
    list: _items,
    tuple: _items,
    dict: _values,
}
