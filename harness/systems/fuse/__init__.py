"""The FUSE systems under test, and the names that ``CONFIG=`` takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from harness.errors import UsageError
from harness.systems.fuse._protocol import FuseSystem, Layout, SystemContext
from harness.systems.fuse.geesefs import GeeseFS
from harness.systems.fuse.mountpoint import Mountpoint
from harness.systems.fuse.null import NullFuse
from harness.systems.fuse.pond import Pond
from harness.systems.fuse.pond_blind import PondBlind
from harness.systems.fuse.rclone import Rclone
from harness.systems.fuse.s3fs import S3fs
from harness.systems.fuse.tmpfs import Tmpfs

__all__ = ["CEILING", "CONFIGS", "SYSTEMS", "FuseSystem", "Layout", "SystemContext", "chosen_configs"]

# One line a system; its folder says the rest (docs/add-a-system.md).
SYSTEMS: Final[Mapping[str, type[FuseSystem]]] = {
    system.name: system for system in (Pond, PondBlind, Mountpoint, Rclone, S3fs, GeeseFS, NullFuse, Tmpfs)
}

CEILING: Final = ("tmpfs", "files")

# What CONFIG= takes -> (system, config).
CONFIGS: Final[Mapping[str, tuple[str, str]]] = {
    name: (system.name, config) for system in SYSTEMS.values() for name, config in system.configs.items()
}


def chosen_configs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Turn CONFIG names into (system, config), the ceiling always among them.

    Raises
    ------
    UsageError
        For a name that is not known; it lists those that are.
    """
    chosen: list[tuple[str, str]] = []
    for name in names:
        if name not in CONFIGS:
            raise UsageError(f"unknown config {name!r}; there are: {', '.join(CONFIGS)}")
        if CONFIGS[name] not in chosen:
            chosen.append(CONFIGS[name])
    if CEILING not in chosen:
        chosen.append(CEILING)
    return chosen
