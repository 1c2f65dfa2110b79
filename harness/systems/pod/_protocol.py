"""What the harness asks of a system that keeps versions of variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

__all__ = ["VersionSystem"]


class VersionSystem(Protocol):
    """One store in one folder. A version is whatever `save` returned."""

    name: ClassVar[str]
    saves_code: ClassVar[bool]
    """Whether functions and classes of a session are kept by value, as they were."""

    def __init__(self, folder: Path) -> None: ...

    @classmethod
    def how_to_get(cls) -> str | None:
        """Return how to install it, or None when it is there."""

    @classmethod
    def version(cls) -> str:
        """Return the version of the software."""

    def namespace(self) -> dict[str, Any]:
        """Return a new namespace that sessions can run in."""

    def save(self, namespace: Mapping[str, Any]) -> object:
        """Make a version that survives a power failure; return what `load` wants."""

    def load(self, version: Any, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        """Return the variables of a version, or some of them."""

    def close(self) -> None:
        """Leave the store."""
