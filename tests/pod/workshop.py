"""A user's module: neither of the standard library nor installed. Its state is shared with whoever holds a part of it."""

from __future__ import annotations

box: list[object] = []


class Tool:
    """An importable class of the user's."""

    def __init__(self, value: object = None) -> None:
        self.value = value

    def get(self) -> object:
        return self.value


def put(value: object) -> list[object]:
    """Add to the box through the module's globals."""
    box.append(value)
    return box


def grow() -> None:
    """Change the box in place, with no argument that shows it."""
    box.append(len(box))


def reset() -> None:
    """Make the module as it was imported."""
    global box  # noqa: PLW0603 - a module with state is what this stands for
    box = []
    for function in (put, grow):
        function.__dict__.clear()
        function.__defaults__ = None
