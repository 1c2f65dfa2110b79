"""`shelve`: one key per save and variable. What two variables share is stored twice, and comes back as two objects."""

from __future__ import annotations

import dbm
import platform
import tempfile
from pathlib import Path
from typing import Final

from harness.systems.pod._protocol import Registration, VersionSystem
from harness.systems.pod.shelve._paper import PaperShelve
from harness.systems.pod.shelve._variables import Shelve

__all__ = ["SYSTEMS"]


def _open(folder: Path, fidelity: str, _existing: bool) -> VersionSystem:
    return PaperShelve("shev", folder) if fidelity == "paper" else Shelve("shev", folder)


def _options(fidelity: str) -> dict[str, object]:
    return {
        "mode": "sync",
        "pickler": "dill" if fidelity == "paper" else "pickle, compiled, its default protocol",
        "dbm": _database(),
        "written": "twice: the view of the names holds all variables" if fidelity == "paper" else "once",
        "synced": "file and folder, each save",
    }


def _database() -> str:
    """Return which of Python's databases `shelve` finds on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "shelf")
        dbm.open(path, "c").close()
        return dbm.whichdb(path) or "unknown"


SYSTEMS: Final[tuple[Registration, ...]] = (
    Registration("shev", _open, _options, lambda: None, platform.python_version),
)
