"""Mountpoint for Amazon S3, the system that the published table compares with.

Where AWS's ``mount-s3`` cannot be had, a launcher of this repository's own runs the same library, the published crate
``mountpoint-s3-fs``, with the same flags (``peers/mountpoint-launcher``, built by ``make peers``). A row's version and
command line say which of the two it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from harness.systems._programs import find_program, said_by, version_in
from harness.systems.fuse._objects import GIB, Medium, ObjectMount, Place
from harness.systems.fuse._protocol import SystemContext

__all__ = ["LAUNCHER", "Mountpoint", "MountpointConfig"]

LAUNCHER: Final = "mountpoint-launcher"
_LIBRARY: Final = "mountpoint-s3-fs"


@dataclass(frozen=True, slots=True)
class MountpointConfig:
    """Where it caches and how much at full size; tuned means metadata that never expires, as immutable data allows."""

    cache_medium: Medium | None = None
    cache_bytes: int | None = None
    tuned: bool = False


_CACHES: Final[Mapping[str, tuple[Medium | None, int | None]]] = {
    "disk": ("disk", 19 * GIB),
    "disk-2GiB": ("disk", 2 * GIB),
    "memory": ("memory", 19 * GIB),
    "nocache": (None, None),
}
_CONFIGS: Final[Mapping[str, MountpointConfig]] = {
    f"{name}{suffix}": MountpointConfig(medium, size, tuned)
    for name, (medium, size) in _CACHES.items()
    for suffix, tuned in (("", False), ("+tuned", True))
}


class Mountpoint(ObjectMount):
    """One object per file; a cache is as large as one of pond's, or there is none."""

    name: ClassVar[str] = "mountpoint"
    program: ClassVar[str] = "mount-s3"
    variable: ClassVar[str | None] = "MOUNT_S3"
    how: ClassVar[str] = (
        "install mount-s3 (https://github.com/awslabs/mountpoint-s3, doc/INSTALL.md), set MOUNT_S3=path, "
        "or build the launcher: make peers PEERS=mountpoint"
    )
    configs: ClassVar[Mapping[str, str]] = {
        "mountpoint": "disk",
        "mountpoint-tuned": "disk+tuned",
        "mountpoint-2GiB": "disk-2GiB",
        "mountpoint-2GiB-tuned": "disk-2GiB+tuned",
        "mountpoint-memory": "memory",
        "mountpoint-memory-tuned": "memory+tuned",
        "mountpoint-nocache": "nocache",
        "mountpoint-nocache-tuned": "nocache+tuned",
    }

    def __init__(self, context: SystemContext) -> None:
        super().__init__(context)
        self._config = _CONFIGS[context.config]

    @classmethod
    def find(cls) -> Path | None:
        """Return what MOUNT_S3 names, else AWS's program, else the launcher."""
        return find_program(cls.program, cls.variable) or find_program(LAUNCHER, cls.variable)

    @classmethod
    def version(cls) -> str:
        """Return the version, and whose program it is."""
        said = said_by(cls.installed(), "--version")
        _, launched, library = said.partition(_LIBRARY)
        if launched:
            return f"{version_in(library)} ({_LIBRARY}, our launcher)"
        return f"{version_in(said)} (mount-s3)"

    @property
    def cache_medium(self) -> Medium | None:
        """Where the config puts the cache."""
        return self._config.cache_medium

    @property
    def cache_bytes(self) -> int | None:
        """The cache's limit, shrunk like the data, in the whole MiB that the flag takes."""
        full = self._config.cache_bytes
        return None if full is None else max(1, int(full * self._context.scale) >> 20) << 20

    def command(self, place: Place) -> list[str]:
        """Return the mount command."""
        command = [place.program, place.bucket, place.folder, "--prefix", place.prefix]
        command += ["--read-only", "--foreground", "--no-log"]
        if place.endpoint:
            command += ["--endpoint-url", place.endpoint, "--force-path-style"]
        if self.cache_bytes:
            command += ["--cache", place.cache, "--max-cache-size", str(self.cache_bytes >> 20)]
        if self._config.tuned:
            command += ["--metadata-ttl", "indefinite"]
        return command
