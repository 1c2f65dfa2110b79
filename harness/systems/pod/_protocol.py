"""What the harness asks of a system that keeps versions of variables, and how a system is registered.

A system is opened on a folder of its own, gives the namespace that cells run in, runs them, and saves after each::

    system = open_system("pga", folder)
    ns = system.namespace()
    system.seed(123)
    system.run(compile(source, "<cell>", "exec"), source, ns)
    version = system.save(ns, exclude={"df"})
    system.join()
    system.load(version, ["model"])
    system.size()
    system.close()

Names with two underscores at both ends are no variables, for any of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import CodeType
from typing import Any, Final, Protocol

__all__ = [
    "FIDELITIES",
    "Registration",
    "Times",
    "Version",
    "VersionSystem",
    "package_version",
    "variables",
]

_PACKAGE: Final = "pond-pod-bench"
FIDELITIES: Final = ("fixed", "paper")

Version = int | str


@dataclass(frozen=True, slots=True)
class Times:
    """What a system measured itself since it was last asked.

    Attributes
    ----------
    lock_s
        Of each access to a variable that had to wait for a save.
    join_s
        Of each wait for the save before, be it in `save` or in `join`.
    background
        Of each save that went on after its call: how long it ran, and how many bytes it stored.
    """

    lock_s: list[float] = field(default_factory=list)
    join_s: list[float] = field(default_factory=list)
    background: list[tuple[float, int]] = field(default_factory=list)


class VersionSystem(Protocol):
    """One store in one folder."""

    name: str
    saves_code: bool
    """Whether functions and classes of a session are kept by value, as they were."""

    def namespace(self) -> dict[str, Any]:
        """Return a new namespace that cells can run in."""

    def seed(self, number: int) -> None:
        """Seed `random` and numpy in the process where cells run."""

    def run(self, code: CodeType, source: str, namespace: dict[str, Any]) -> None:
        """Execute one cell."""

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        """Make a version of all variables but some; return when the user may go on.

        Returns
        -------
        int or str
            What `load` wants, in this process and, once joined, in any other. Once joined, the version survives a power
            failure.
        """

    @property
    def unsaved(self) -> Mapping[str, str]:
        """What the last save left out because it cannot be saved: the reason by the variable's name. Of a save that
        goes on behind its call, it is there once that is joined."""

    def join(self) -> None:
        """Wait for what goes on behind `save`, and raise what it raised."""

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        """Return the variables of a version, or some of them; what was not saved is left out.

        A system that can only load a version whole gives more than was asked for.
        """

    def size(self) -> int:
        """Return how many bytes the store takes now: of all its files, or by the database's own count."""

    def take_times(self) -> Times:
        """Return what was measured since this was last called."""

    def close(self) -> None:
        """Leave the store; a server of its own ends."""


def package_version() -> str:
    """Return this package's version, which is pod's."""
    return metadata.version(_PACKAGE)


def _never_refuses(_workload: str) -> str | None:
    return None


def _interpreter() -> str:
    return sys.executable


@dataclass(frozen=True, slots=True)
class Registration:
    """How a name is opened, and what is recorded of it.

    Attributes
    ----------
    open
        Opens the system on a folder: empty, or (`existing`) with a store that another process has left.
    how_to_get
        Says how to install what it needs; None if that is here.
    version
        The version of the software.
    options
        What is recorded in a result. An option that has no effect on this system is said to have `no effect`.
    refuses
        Why the system cannot run a workload, None if it can.
    python
        The interpreter whose process runs it.
    outlives_process
        Whether another process can open what this one has saved.
    has_server
        Whether a server has the store, which may keep in its memory what it has read.
    """

    name: str
    open: Callable[[Path, str, bool], VersionSystem]
    options: Callable[[str], dict[str, object]]
    how_to_get: Callable[[], str | None]
    version: Callable[[], str] = package_version
    refuses: Callable[[str], str | None] = _never_refuses
    python: Callable[[], str] = _interpreter
    outlives_process: bool = True
    has_server: bool = False


def variables(namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> dict[str, Any]:
    """Return the variables that a save is of, as a plain dict; a managed namespace does not notice."""
    left_out = set(exclude)
    items = dict.items(namespace) if isinstance(namespace, dict) else namespace.items()
    return {
        name: value
        for name, value in items
        if name not in left_out and not (name.startswith("__") and name.endswith("__"))
    }
