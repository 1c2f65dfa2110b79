"""Exceptions: what copyreg says of them, and how they are made again without their own `__init__`."""

from __future__ import annotations

import copyreg
import types
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAP: Final = 1 << 9


def registered(cls: type) -> Callable[[Any], Any] | None:
    """Return the reducer that copyreg has for a class.

    Importing a library must not change what a version holds. tblib, and so Dask, registers one reducer for every exception,
    BaseException among them, and one for tracebacks, to send them between processes: such are left out. A reducer that is
    registered for some classes of exceptions is theirs.
    """
    found = copyreg.dispatch_table.get(cls)
    if cls is types.TracebackType:
        return None
    if issubclass(cls, BaseException) and found is copyreg.dispatch_table.get(BaseException):
        return None
    return found


def without_init(obj: BaseException, found: Any) -> Any:
    """Return how an exception is reduced so that a class's own `__init__` does not run again.

    That would be given `args`, which need not be what it was called with: it would fail, or find other values.
    """
    cls = type(obj)
    native = _native(cls)
    if (
        (cls.__init__ is native.__init__ and cls.__new__ is native.__new__)
        or cls.__reduce_ex__ is not native.__reduce_ex__
        or cls.__reduce__ is not native.__reduce__
        or copyreg._slotnames(cls)  # type: ignore[attr-defined]
    ):
        return found
    return (make_exception, (cls, found[1]), *found[2:])


def make_exception(cls: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """Make an exception as the interpreter's own class below it does."""
    native = _native(cls)
    made: BaseException = native.__new__(cls, *arguments)
    native.__init__(made, *arguments)
    return made


def _native(cls: type[BaseException]) -> Any:
    return next(base for base in cls.__mro__ if not base.__flags__ & _HEAP)
