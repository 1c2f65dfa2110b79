"""What most systems have in common: one folder, maybe one daemon that serves it, and little to say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.kernelcache import Proof
from harness.systems.fuse._daemon import MountDaemon
from harness.systems.fuse._protocol import FuseSystem, SystemContext

__all__ = ["MountedSystem", "without_fuse"]


def without_fuse() -> str | None:
    """Return None where there is FUSE, else how to get it."""
    if Path("/dev/fuse").exists():
        return None
    return "no /dev/fuse: load the kernel module (modprobe fuse) or give the container the device"


class MountedSystem(FuseSystem):
    """A system without a cache and without counters, until a subclass says otherwise."""

    def __init__(self, context: SystemContext) -> None:
        self._context = context
        self._folder = context.work / "mount"
        self._daemon: MountDaemon | None = None

    def _serve(self, command: Sequence[str]) -> Path:
        """Mount the folder by a command that stays in the foreground."""
        self._daemon = MountDaemon(command, self._folder, self._context.work)
        self._daemon.start()
        return self._folder

    @property
    def pid(self) -> int | None:
        """The daemon's pid."""
        return self._daemon.pid if self._daemon else None

    @property
    def cache_bytes(self) -> int | None:
        """The bytes that the system's own cache may hold: it has none."""
        return None

    @property
    def page_cache(self) -> bool:
        """Whether the row leaves file data in the page cache."""
        return False

    @property
    def warm_pages(self) -> bool:
        """Whether a warm epoch finds the pages of the cold one."""
        return False

    def mount(self) -> Path:
        """Return the folder: it is there since `prepare`."""
        return self._folder

    def reset(self, layer: str) -> Proof:
        """Say that there is no such layer."""
        return Proof(reset=True, proof=f"{self.name} has no {layer} cache of its own")

    def stats(self) -> Mapping[str, float]:
        """Return nothing: nobody counts."""
        return {}

    def unmount(self) -> None:
        """End the daemon, which unmounts."""
        if self._daemon:
            self._daemon.stop()
            self._daemon = None
