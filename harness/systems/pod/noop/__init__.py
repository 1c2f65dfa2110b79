"""Nothing is saved: what a workload takes by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.systems.pod._base import Synchronous
from harness.systems.pod._protocol import Registration, Version, VersionSystem, variables

__all__ = ["SYSTEMS", "Noop"]


class Noop(Synchronous):
    """Cells run in a plain dict, and a save is a number."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._count = 0

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        self._unsaved = dict.fromkeys(variables(namespace, exclude), f"{self.name} saves nothing")
        self._count += 1
        return self._count

    def load(self, _version: Version, _names: Sequence[str] | None = None) -> Mapping[str, Any]:
        return {}


def _open(folder: Path, _fidelity: str, _existing: bool) -> VersionSystem:
    return Noop("noop", folder)


SYSTEMS: Final = (
    Registration("noop", _open, lambda _fidelity: {"mode": "sync"}, lambda: None, outlives_process=False),
)
