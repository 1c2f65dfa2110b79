"""How a test says which promise of docs/pod-semantics.md it holds pod to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["promise", "variables"]

_Test = TypeVar("_Test", bound=Callable[..., None])


def promise(number: int) -> Callable[[_Test], _Test]:
    """Say to which promise a test holds pod."""
    assert number > 0

    def cite(test: _Test) -> _Test:
        return test

    return cite


def variables(namespace: dict[str, object]) -> dict[str, object]:
    """Return what a namespace holds but for the names with two underscores at both ends."""
    return {
        name: value
        for name, value in namespace.items()
        if not (name.startswith("__") and name.endswith("__"))
    }
