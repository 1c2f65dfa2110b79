"""The ceiling: the same files in memory, without FUSE and without a network."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from harness.errors import TrialFailed
from harness.leftovers import note_folder, note_mount
from harness.systems.fuse._mounted import MountedSystem
from harness.systems.fuse._protocol import Layout, SystemContext

__all__ = ["Tmpfs"]


class Tmpfs(MountedSystem):
    """A tmpfs of its own where root may mount one, else a folder in /dev/shm."""

    name: ClassVar[str] = "tmpfs"
    layout: ClassVar[Layout] = "none"
    ceiling: ClassVar[bool] = True
    configs: ClassVar[Mapping[str, str]] = {"tmpfs": "files"}

    def __init__(self, context: SystemContext) -> None:
        super().__init__(context)
        self._mounted = False

    @classmethod
    def how_to_get(cls) -> str | None:
        """Return None: every Linux has it."""
        return None if os.geteuid() == 0 or Path("/dev/shm").is_dir() else "no /dev/shm and not root"  # noqa: S108

    @classmethod
    def version(cls) -> str:
        """Return the kernel's version: tmpfs is a part of it."""
        return ".".join(platform.release().split(".")[:2]).split("-")[0]

    @classmethod
    def digest(cls) -> str:
        """Return nothing to digest."""
        return "kernel"

    @property
    def page_cache(self) -> bool:
        """Its pages are the page cache, and nothing drops them."""
        return True

    @property
    def argv(self) -> list[str]:
        """How it is mounted."""
        return (
            ["mount", "-t", "tmpfs", "tmpfs", "MOUNTPOINT"]
            if os.geteuid() == 0
            else ["cp", "-r", "DATA", "SHM"]
        )

    def prepare(self) -> None:
        """Mount and copy: neither is what this row measures."""
        if os.geteuid() == 0:
            self._folder.mkdir(parents=True, exist_ok=True)
            note_mount(self._context.work, self._folder)
            size = self._context.dataset_bytes * 2 + (256 << 20)
            command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(self._folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self._mounted = done.returncode == 0
        if not self._mounted:  # no root, or a container that may not mount
            self._folder = Path("/dev/shm", f"pond-bench-{os.urandom(4).hex()}")  # noqa: S108
            note_folder(self._context.work, self._folder)
            self._folder.mkdir(mode=0o700)
        free = shutil.disk_usage(self._folder).free
        if free < self._context.dataset_bytes:
            raise TrialFailed(
                f"tmpfs has {free >> 20} MiB free, the files need {self._context.dataset_bytes >> 20}"
            )
        shutil.copytree(self._context.dataset_folder, self._folder, dirs_exist_ok=True)

    def unmount(self) -> None:
        """Unmount, or delete the folder."""
        if self._mounted:
            subprocess.run(["umount", "-l", str(self._folder)], capture_output=True, check=False, timeout=60)
            self._mounted = False
        elif self._folder.is_relative_to("/dev/shm"):  # noqa: S108
            shutil.rmtree(self._folder, ignore_errors=True)
