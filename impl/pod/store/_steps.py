"""What a save that may stop on its way says when it stops, and at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator

    from pod.graph import Pod
    from pod.store._record import Bound
    from pod.store._report import Unsaved


class Encoded(NamedTuple):
    """What a save has to write of a namespace."""

    names: dict[str, Bound]
    pods: dict[int, Pod]
    new: list[Pod]
    unsaved: tuple[Unsaved, ...]
    changed: bool


class Suspects(NamedTuple):
    """The variables that a save writes again, and those that lead to what it writes; what the session itself holds."""

    written: dict[str, object]
    leading: dict[str, object]
    held: list[object]


def first_step(steps: Generator[None, None, Encoded]) -> Encoded | None:
    """Go on with a save to where it stops; return what came out if it did not stop."""
    try:
        next(steps)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    return None


def finished(steps: Generator[None, None, Encoded]) -> Encoded:
    """Go on with a save to its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
