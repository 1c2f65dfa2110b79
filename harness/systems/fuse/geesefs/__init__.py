"""GeeseFS, a descendant of goofys that caches in memory and reads ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.systems.fuse._objects import GIB, ObjectMount, Place

__all__ = ["GeeseFS"]


class GeeseFS(ObjectMount):
    """One object per file; its memory for data is as large as pond's largest cache."""

    name: ClassVar[str] = "geesefs"
    program: ClassVar[str] = "geesefs"
    how: ClassVar[str] = "make peers PEERS=geesefs (needs Go), or put geesefs on PATH"
    configs: ClassVar[Mapping[str, str]] = {"geesefs": "memory"}

    @property
    def cache_bytes(self) -> int | None:
        """The limit of its data in memory, shrunk like the data, in the whole MiB that the flag takes."""
        return max(1, int(19 * GIB * self._context.scale) >> 20) << 20

    def command(self, place: Place) -> list[str]:
        """Return the mount command, without what it would ask of the server only to write or to guess."""
        endpoint = place.endpoint or f"https://s3.{place.region}.amazonaws.com"
        command = [place.program, "-f", "-o", "ro", "--endpoint", endpoint, "--region", place.region]
        command += ["--no-detect", "--no-expire-multipart", "--list-type", "2", "--print-stats", "0"]
        command += ["--memory-limit", str((self.cache_bytes or 0) >> 20)]
        return [*command, f"{place.bucket}:{place.prefix.rstrip('/')}", place.folder]
