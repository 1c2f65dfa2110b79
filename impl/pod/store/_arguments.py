"""What callers give a store: checked before anything is done."""

from __future__ import annotations

import operator
import reprlib
from typing import TYPE_CHECKING, Any

from pod.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def checked_message(message: object) -> str | None:
    """Return a version's message."""
    if message is None or isinstance(message, str):
        return message
    raise InvalidArgument(f"the message is a {type(message).__name__}, {reprlib.repr(message)}; give a str")


def checked_list(what: str, given: Iterable[Any]) -> list[Any]:
    """Return several names, or versions, as a list: one str is a mistake, for it is several, too."""
    if isinstance(given, str | bytes):
        raise InvalidArgument(f"{what} is one {type(given).__name__}, {given!r}; give a list of {what}")
    try:
        return list(given)
    except TypeError as error:
        raise InvalidArgument(f"{what} is a {type(given).__name__}; give a list of {what}") from error


def checked_names(ns: Mapping[str, Any], names: Iterable[str] | None) -> list[str] | None:
    """Return the names as a list, if the namespace has them all."""
    if names is None:
        return None
    chosen = checked_list("names", names)
    missing = [
        name for name in chosen if not (dict.__contains__(ns, name) if isinstance(ns, dict) else name in ns)
    ]
    if missing:
        raise InvalidArgument(f"the namespace has no variable {', '.join(map(str, missing))}")
    return chosen


def checked_keep(keep: int | Iterable[int | str] | None) -> int | list[int | str] | None:
    """Return what a collection is to keep."""
    if keep is None:
        return None
    if not isinstance(keep, int):
        return checked_list("versions to keep", keep)
    if keep < 0:
        raise InvalidArgument("gc cannot keep fewer than no versions")
    return keep


def checked_version(version: object) -> int | str:
    """Return a version's number, or the name of a tag or branch."""
    if isinstance(version, str):
        return version
    try:
        return operator.index(version)  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidArgument(
            f"{reprlib.repr(version)} is no version, but a {type(version).__name__}; give a version's number, a tag, a"
            " branch, or what save or save_async returned"
        ) from error
