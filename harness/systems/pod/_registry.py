"""The names that ``SUT=`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.errors import NotInstalled, UsageError
from harness.systems.pod import cloudpickle, criu, dill, exhaust, kishu, noop, shelve, snapshot, store, zodb
from harness.systems.pod._protocol import FIDELITIES, Registration, VersionSystem

__all__ = [
    "has_server",
    "how_to_get",
    "names",
    "open_system",
    "options_of",
    "outlives_process",
    "python_of",
    "refuses",
    "registration",
    "version_of",
]

# One line a family; its folder says the rest. A new one: a folder whose package has `SYSTEMS`, and its line here.
_FAMILIES: Final = (
    noop.SYSTEMS,
    snapshot.SYSTEMS,
    dill.SYSTEMS,
    cloudpickle.SYSTEMS,
    shelve.SYSTEMS,
    zodb.SYSTEMS,
    criu.SYSTEMS,
    kishu.SYSTEMS,
    exhaust.SYSTEMS,
    store.SYSTEMS,
)

# As the README of the published system lists them; all others come after these.
_README: Final = """
    snp dill shev zosp zodb criu crii pga pfl pfa pg0 pg1 pgcache0 pgcache0noavf pgcache4 pgcache16 pgcache64 pgcache256
    pgcache1024 pgcache4096 pgcache16384 pgcache65536 pgcache262144 pgcache1048576 pgl pglnoavlstatic pglnostatic pgnoavf
    pgnoavl pgnoavlstatic pgnostatic pnb pnv prand snz pgaz noop pgnoop
"""


def _in_order(registered: Mapping[str, Registration]) -> dict[str, Registration]:
    first = [name for name in _README.split() if name in registered]
    return {name: registered[name] for name in (*first, *(n for n in registered if n not in first))}


_REGISTERED: Final = _in_order({system.name: system for family in _FAMILIES for system in family})


def names() -> list[str]:
    """Return the names of all systems, in the order of the published README."""
    return list(_REGISTERED)


def registration(name: str) -> Registration:
    """Return what is registered under a name.

    Raises
    ------
    UsageError
        Nothing is; the message has the names.
    """
    if name not in _REGISTERED:
        raise UsageError(f"unknown system {name!r}; there are: {', '.join(_REGISTERED)}")
    return _REGISTERED[name]


def open_system(name: str, folder: Path, *, fidelity: str = "fixed", existing: bool = False) -> VersionSystem:
    """Open a system on a folder of its own.

    Parameters
    ----------
    fidelity
        `paper` gives it the handicaps and mistakes of the published one.
    existing
        The folder has a store that another process has left; else it is empty, or not there yet.

    Raises
    ------
    UsageError
        The name or the fidelity is unknown, or the folder has files in it although it should not.
    NotInstalled
        What the system needs is not on this machine.
    """
    found = registration(name)
    _check(fidelity)
    how = found.how_to_get()
    if how is not None:
        raise NotInstalled(f"{name} is not installed: {how}")
    if not existing and folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: {name} makes a new store; give it a folder of its own")
    folder.mkdir(parents=True, exist_ok=True)
    return found.open(folder, fidelity, existing)


def how_to_get(name: str) -> str | None:
    """Say how to install what a system needs; None if that is here."""
    return registration(name).how_to_get()


def version_of(name: str) -> str:
    """Return the version of a system's software."""
    return registration(name).version()


def options_of(name: str, fidelity: str = "fixed") -> dict[str, object]:
    """Return what is recorded in a result of how a system is configured."""
    _check(fidelity)
    return registration(name).options(fidelity)


def refuses(name: str, workload: str) -> str | None:
    """Say why a system cannot run a workload (with its parameters: ``rmtree[tc=2][tv=1]``); None if it can."""
    return registration(name).refuses(workload)


def outlives_process(name: str) -> bool:
    """Say whether another process can open what a system has saved: not what is in memory, or was not saved at all."""
    return registration(name).outlives_process


def has_server(name: str) -> bool:
    """Say whether a system's store is a server's, which may keep in its memory what it has read."""
    return registration(name).has_server


def python_of(name: str) -> str:
    """Return the interpreter whose process runs a system."""
    return registration(name).python()


def _check(fidelity: str) -> None:
    if fidelity not in FIDELITIES:
        raise UsageError(f"unknown fidelity {fidelity!r}; there are: {', '.join(FIDELITIES)}")
