"""A ceiling: the same files in memory behind the smallest FUSE daemon there can be, without cache, store or network.

What a row takes beyond this is the system's; what this takes beyond tmpfs is FUSE's. The daemon is pond's engine over a
dict of bytes (`harness.systems.fuse.null._files`), mounted as pond's judged rows are: nothing stays in the page cache.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata, util
from typing import ClassVar

from harness.errors import TrialFailed
from harness.machine import source_digest
from harness.systems.fuse._mounted import MountedSystem, without_fuse
from harness.systems.fuse._protocol import Layout
from harness.systems.fuse.pond import pond_source

__all__ = ["NullFuse"]


class NullFuse(MountedSystem):
    """A daemon in a child process that answers every request from memory."""

    name: ClassVar[str] = "null"
    layout: ClassVar[Layout] = "none"
    ceiling: ClassVar[bool] = True
    configs: ClassVar[Mapping[str, str]] = {"null": "memory"}

    @classmethod
    def how_to_get(cls) -> str | None:
        """Return None when it can mount here."""
        if util.find_spec("pond.fuse") is None:
            return "pond's FUSE engine is not installed: make setup"
        return without_fuse()

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
        self._serve(command)
