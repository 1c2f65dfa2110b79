"""GeeseFS, a descendant of goofys that caches in memory and reads ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from harness.systems.fuse._objects import GIB, ObjectMount, Place
from harness.systems.fuse._protocol import SystemContext

__all__ = ["GeeseFS"]

# Metadata of immutable data: it never expires, and has room for more files than COCO has. At the start nothing is asked
# of the server to guess what it is, or to clear up after writers.
_TUNED: Final = (
    *("--stat-cache-ttl", "8760h", "--entry-limit", "1000000"),
    *("--list-type", "2", "--no-detect", "--no-expire-multipart"),
)


class GeeseFS(ObjectMount):
    """One object per file; its memory for data is as large as pond's largest cache."""

    name: ClassVar[str] = "geesefs"
    program: ClassVar[str] = "geesefs"
    how: ClassVar[str] = "make peers PEERS=geesefs (needs Go), or put geesefs on PATH"
    configs: ClassVar[Mapping[str, str]] = {"geesefs": "memory", "geesefs-tuned": "memory+tuned"}

    def __init__(self, context: SystemContext) -> None:
        super().__init__(context)
        self._tuned = context.config.endswith("+tuned")

    @property
    def cache_bytes(self) -> int | None:
        """The limit of its data in memory, shrunk like the data, in the whole MiB that the flag takes."""
        return max(1, int(19 * GIB * self._context.scale) >> 20) << 20

    def command(self, place: Place) -> list[str]:
        """Return the mount command: as its authors ship it but for the cache's size, which is pond's in every row."""
        endpoint = place.endpoint or f"https://s3.{place.region}.amazonaws.com"
        command = [place.program, "-f", "-o", "ro", "--endpoint", endpoint, "--region", place.region]
        command += ["--memory-limit", str((self.cache_bytes or 0) >> 20)]
        command += _TUNED if self._tuned else ()
        return [*command, f"{place.bucket}:{place.prefix.rstrip('/')}", place.folder]
