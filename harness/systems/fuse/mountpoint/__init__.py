"""Mountpoint for Amazon S3 (``mount-s3``), the system that the published table compares with."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from harness.errors import TrialFailed
from harness.kernelcache import Proof
from harness.systems.fuse._daemon import MountDaemon
from harness.systems.fuse._protocol import FuseSystem, Layout, SystemContext

__all__ = ["Mountpoint"]

GIB: Final = 1 << 30


def _binary() -> str | None:
    return os.environ.get("MOUNT_S3") or shutil.which("mount-s3")


class Mountpoint(FuseSystem):
    """One object per file; ``disk`` caches on disk, as large as the largest pond row, ``nocache`` not at all."""

    name: ClassVar[str] = "mountpoint"
    layout: ClassVar[Layout] = "objects"
    ceiling: ClassVar[bool] = False

    def __init__(self, context: SystemContext) -> None:
        self._context = context
        self._folder = context.work / "mount"
        self._cache = context.work / "cache"
        self._daemon: MountDaemon | None = None

    @classmethod
    def how_to_get(cls) -> str | None:
        """Return None when ``mount-s3`` can be found."""
        binary = _binary()
        if binary and Path(binary).exists():
            return None
        return (
            "install mount-s3 (https://github.com/awslabs/mountpoint-s3, doc/INSTALL.md) or set MOUNT_S3=path"
        )

    @classmethod
    def version(cls) -> str:
        """Return what ``mount-s3 --version`` says."""
        done = subprocess.run(
            [str(_binary()), "--version"], capture_output=True, text=True, check=False, timeout=30
        )
        match = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
        return match[0] if match else "unknown"

    @classmethod
    def digest(cls) -> str:
        """Return the digest of the binary."""
        return hashlib.sha256(Path(str(_binary())).read_bytes()).hexdigest()

    @property
    def pid(self) -> int | None:
        """The daemon's pid."""
        return self._daemon.pid if self._daemon else None

    @property
    def cache_bytes(self) -> int | None:
        """The disk cache's limit."""
        return int(19 * GIB * self._context.scale) if self._context.config == "disk" else None

    @property
    def page_cache(self) -> bool:
        """Whether the row leaves data in the page cache: Mountpoint cannot be told not to."""
        return True

    @property
    def warm_pages(self) -> bool:
        """Whether a warm epoch finds the pages of the cold one."""
        return False

    @property
    def argv(self) -> list[str]:
        """The mount command with placeholders."""
        cache = ["--cache", "FOLDER", *self._limit()] if self.cache_bytes else []
        return ["mount-s3", "BUCKET", "MOUNTPOINT", "--prefix", "PREFIX", *self._options(), *cache]

    def _limit(self) -> list[str]:
        return ["--max-cache-size", str(max(1, int(self.cache_bytes or 0) >> 20))]

    @staticmethod
    def _options() -> list[str]:
        return ["--read-only", "--foreground", "--no-log"]

    def prepare(self) -> None:
        """Check that there are objects to mount, and make the cache's folder."""
        if self._context.s3_url is None:
            raise TrialFailed("mountpoint has no objects to mount")
        self._cache.mkdir(parents=True, exist_ok=True)

    def mount(self) -> Path:
        """Mount in the foreground of a child process."""
        url = urlsplit(str(self._context.s3_url))
        command = [str(_binary()), url.netloc, str(self._folder), "--prefix", url.path.strip("/") + "/"]
        command += self._options()
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            command += ["--endpoint-url", endpoint, "--force-path-style"]
        if self.cache_bytes:
            command += ["--cache", str(self._cache), *self._limit()]
        self._daemon = MountDaemon(command, self._folder, self._context.work)
        self._daemon.start()
        return self._folder

    def reset(self, layer: str) -> Proof:
        """Say what a fresh daemon with a fresh folder holds."""
        if layer == "memory":
            return Proof(reset=True, proof="daemon started for this trial")
        held = sum(path.stat().st_size for path in self._cache.rglob("*") if path.is_file())
        return Proof(reset=held == 0, proof=f"cache folder made for this trial holds {held} bytes")

    def stats(self) -> Mapping[str, float]:
        """Return the bytes of the cache's folder."""
        held = sum(path.stat().st_size for path in self._cache.rglob("*") if path.is_file())
        return {"cache_bytes": float(held)} if self.cache_bytes else {}

    def unmount(self) -> None:
        """End the daemon, which unmounts, and drop its cache."""
        if self._daemon:
            self._daemon.stop()
            self._daemon = None
        shutil.rmtree(self._cache, ignore_errors=True)
