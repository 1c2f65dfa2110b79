"""Systems that keep versions of variables: pod, and the picklers that it is measured against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.systems.pod._files import DillFiles, PickleFiles
from harness.systems.pod._protocol import VersionSystem
from harness.systems.pod._store import PodPythonStore, PodStore

__all__ = ["BASELINE", "SYSTEMS", "VersionSystem"]

SYSTEMS: Final[Mapping[str, type[VersionSystem]]] = {
    system.name: system for system in (PickleFiles, DillFiles, PodStore, PodPythonStore)
}
BASELINE: Final = PickleFiles.name
