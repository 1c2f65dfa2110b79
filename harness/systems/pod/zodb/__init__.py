"""ZODB, with its FileStorage.

zosp   a new database per save
zodb   one database, whose history has the versions
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from harness.systems.pod._protocol import Registration, VersionSystem
from harness.systems.pod.zodb._root import root_of
from harness.systems.pod.zodb._systems import ZodbFiles, ZodbHistory

__all__ = ["SYSTEMS"]


def _opener(
    name: str, kind: type[ZodbFiles] | type[ZodbHistory]
) -> Callable[[Path, str, bool], VersionSystem]:
    return lambda folder, fidelity, _existing: kind(name, folder, fidelity)


def _options(fidelity: str) -> dict[str, object]:
    return {
        "mode": "sync",
        "pickler": root_of(fidelity).about,
        "leftover temporary file": "counted" if fidelity == "paper" else "not counted",
        "synced": "file by each commit, folder when a file is new",
    }


def _how_to_get() -> str | None:
    return None if find_spec("ZODB") else "pip install ZODB"


def _version() -> str:
    return metadata.version("ZODB")


SYSTEMS: Final[tuple[Registration, ...]] = (
    Registration("zosp", _opener("zosp", ZodbFiles), _options, _how_to_get, _version),
    Registration("zodb", _opener("zodb", ZodbHistory), _options, _how_to_get, _version),
)
