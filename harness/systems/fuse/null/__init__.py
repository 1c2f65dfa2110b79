"""A ceiling: the same files in memory behind the smallest FUSE daemon there can be, without cache, store or network.

What a row takes beyond this is the system's; what this takes beyond tmpfs is FUSE's. The daemon is pond's engine over a
dict of bytes (`harness.systems.fuse.null._files`), mounted as pond's judged rows are: nothing stays in the page cache.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path
from typing import ClassVar

from harness.errors import TrialFailed
from harness.kernelcache import Proof
from harness.machine import source_digest
from harness.systems.fuse._daemon import MountDaemon
from harness.systems.fuse._protocol import FuseSystem, Layout, SystemContext
from harness.systems.fuse.pond import pond_source

__all__ = ["NullFuse"]


class NullFuse(FuseSystem):
    """A daemon in a child process that answers every request from memory."""

    name: ClassVar[str] = "null"
    layout: ClassVar[Layout] = "none"
    ceiling: ClassVar[bool] = True
    configs: ClassVar[Mapping[str, str]] = {"null": "memory"}

    def __init__(self, context: SystemContext) -> None:
        self._context = context
        self._folder = context.work / "mount"
        self._daemon: MountDaemon | None = None

    @classmethod
    def how_to_get(cls) -> str | None:
        """Return None when it can mount here."""
        if util.find_spec("pond.fuse") is None:
            return "pond's FUSE engine is not installed: make setup"
        if not Path("/dev/fuse").exists():
            return "no /dev/fuse: load the kernel module (modprobe fuse) or give the container the device"
        return None

    @classmethod
    def version(cls) -> str:
        """Return the distribution's version: the engine is pond's."""
        return metadata.version("pond-pod-bench")

    @classmethod
    def digest(cls) -> str:
        """Return one digest of the engine's sources."""
        source = pond_source()
        return source_digest(source / "fuse") if source else "unknown"

    @property
    def pid(self) -> int | None:
        """The daemon's pid."""
        return self._daemon.pid if self._daemon else None

    @property
    def cache_bytes(self) -> int | None:
        """It caches nothing: it holds the data."""
        return None

    @property
    def page_cache(self) -> bool:
        """Whether the row leaves file data in the page cache."""
        return False

    @property
    def warm_pages(self) -> bool:
        """Whether a warm epoch finds the pages of the cold one."""
        return False

    @property
    def argv(self) -> list[str]:
        """The command with placeholders."""
        return ["python", "-m", "harness.systems.fuse.null", "DATA", "MOUNTPOINT"]

    def prepare(self) -> None:
        """Load the files and mount: neither is what this row measures."""
        import psutil  # not needed to plan

        free = psutil.virtual_memory().available
        if free < self._context.dataset_bytes:
            raise TrialFailed(
                f"null FUSE holds all files in memory: {free >> 20} MiB free, "
                f"{self._context.dataset_bytes >> 20} needed"
            )
        command = [
            sys.executable,
            "-m",
            __package__ or "",
            str(self._context.dataset_folder),
            str(self._folder),
        ]
        self._daemon = MountDaemon(command, self._folder, self._context.work)
        self._daemon.start()

    def mount(self) -> Path:
        """Return the folder: it is there since `prepare`."""
        return self._folder

    def reset(self, layer: str) -> Proof:
        """Say that there is no such layer."""
        return Proof(reset=True, proof=f"null FUSE has no {layer} cache: it holds the files themselves")

    def stats(self) -> Mapping[str, float]:
        """Return nothing: the daemon counts nothing."""
        return {}

    def unmount(self) -> None:
        """End the daemon, which unmounts."""
        if self._daemon:
            self._daemon.stop()
            self._daemon = None
