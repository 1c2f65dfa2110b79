"""What file systems over plain objects have in common: one object a file, a program in the foreground, maybe a cache folder."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal
from urllib.parse import urlsplit

from harness.errors import TrialFailed
from harness.kernelcache import Proof
from harness.leftovers import note_folder
from harness.systems._programs import digest_of, find_program, said_by, version_in
from harness.systems.fuse._mounted import MountedSystem
from harness.systems.fuse._protocol import Layout, SystemContext

__all__ = ["GIB", "Medium", "ObjectMount", "Place", "folder_bytes"]

Medium = Literal["disk", "memory"]
GIB: Final = 1 << 30
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  (a tmpfs is what is wanted)


@dataclass(frozen=True, slots=True)
class Place:
    """What a mount command names. In the command line of a result, words stand in for all of it."""

    program: str
    bucket: str
    prefix: str
    """Ends in ``/``."""
    folder: str
    cache: str
    endpoint: str | None
    """None for AWS's own."""
    region: str


def folder_bytes(folder: Path) -> int:
    """Return the bytes that the files below a folder hold: of sparse files what is there, whatever vanishes meanwhile not."""
    held = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                stat = Path(parent, name).lstat()
                held += min(stat.st_size, stat.st_blocks * 512)
    return held


class ObjectMount(MountedSystem):
    """A program that mounts a prefix of a bucket. A subclass says how it is called, and what it caches where."""

    layout: ClassVar[Layout] = "objects"
    ceiling: ClassVar[bool] = False
    program: ClassVar[str]
    """What the program is called."""
    variable: ClassVar[str | None] = None
    """The environment variable that may name another one."""
    how: ClassVar[str]
    """How to get it, in one line."""

    def __init__(self, context: SystemContext) -> None:
        super().__init__(context)
        self._cache: Path | None = None

    # -- what a subclass says -----------------------------------------------------------------------------------

    def command(self, place: Place) -> list[str]:
        """Return the command that mounts read-only and stays in the foreground."""
        raise NotImplementedError

    @property
    def cache_medium(self) -> Medium | None:
        """Where the program keeps what it caches in files: on disk, on a tmpfs, or nowhere."""
        return None

    @classmethod
    def find(cls) -> Path | None:
        """Return the program, or None."""
        return find_program(cls.program, cls.variable)

    def data_folder(self, cache: Path) -> Path:
        """Return the part of the cache folder that the limit is about."""
        return cache

    # -- the rest is the same for all ---------------------------------------------------------------------------

    @classmethod
    def how_to_get(cls) -> str | None:
        """Return None when the program can be found."""
        return None if cls.find() else cls.how

    @classmethod
    def installed(cls) -> Path:
        """Return the program.

        Raises
        ------
        TrialFailed
            When it is not there.
        """
        found = cls.find()
        if found is None:
            raise TrialFailed(f"{cls.program} is not installed: {cls.how}")
        return found

    @classmethod
    def version(cls) -> str:
        """Return the number that ``--version`` prints."""
        return version_in(said_by(cls.installed(), "--version"))

    @classmethod
    def digest(cls) -> str:
        """Return the digest of the program."""
        return digest_of(cls.installed())

    @property
    def page_cache(self) -> bool:
        """Whether the row leaves data in the page cache: these programs cannot be told not to."""
        return True

    @property
    def argv(self) -> list[str]:
        """The mount command with placeholders."""
        return self.command(
            Place(
                program=(self.find() or Path(self.program)).name,
                bucket="BUCKET",
                prefix="PREFIX/",
                folder="MOUNTPOINT",
                cache="TMPFS_FOLDER" if self.cache_medium == "memory" else "FOLDER",
                endpoint="ENDPOINT" if _endpoint() else None,
                region="REGION",
            )
        )

    def prepare(self) -> None:
        """Check that there are objects to mount, and make the cache's folder."""
        if self._context.s3_url is None:
            raise TrialFailed(f"{self.name} has no objects to mount")
        if self.cache_medium == "disk":
            self._cache = self._context.work / "cache"
            self._cache.mkdir(parents=True, exist_ok=True)
        elif self.cache_medium == "memory":
            self._cache = self._folder_in_memory()

    def _folder_in_memory(self) -> Path:
        needed = min(self.cache_bytes or 0, self._context.dataset_bytes)
        free = shutil.disk_usage(_SHARED_MEMORY).free
        if free < needed:
            raise TrialFailed(
                f"{_SHARED_MEMORY} has {free >> 20} MiB free, the cache may need {needed >> 20}"
            )
        folder = _SHARED_MEMORY / f"pond-bench-{os.urandom(4).hex()}"
        note_folder(self._context.work, folder)
        folder.mkdir(mode=0o700)
        return folder

    def mount(self) -> Path:
        """Mount in the foreground of a child process."""
        url = urlsplit(str(self._context.s3_url))
        place = Place(
            program=str(self.installed()),
            bucket=url.netloc,
            prefix=url.path.strip("/") + "/",
            folder=str(self._folder),
            cache=str(self._cache),
            endpoint=_endpoint(),
            region=os.environ.get("AWS_REGION", "us-east-1"),
        )
        return self._serve(self.command(place))

    def _held(self) -> int:
        return folder_bytes(self.data_folder(self._cache)) if self._cache else 0

    def reset(self, layer: str) -> Proof:
        """Say what a fresh daemon with a fresh folder holds."""
        if layer == "memory":
            return Proof(reset=True, proof="daemon started for this trial")
        if self._cache is None:
            return Proof(reset=True, proof=f"{self.name} keeps nothing in files here")
        held = self._held()
        return Proof(reset=held == 0, proof=f"cache folder made for this trial holds {held} bytes")

    def stats(self) -> Mapping[str, float]:
        """Return the bytes in the cache's folder."""
        return {"cache_bytes": float(self._held())} if self._cache else {}

    def unmount(self) -> None:
        """End the daemon, which unmounts, and drop its cache."""
        super().unmount()
        if self._cache:
            shutil.rmtree(self._cache, ignore_errors=True)
            self._cache = None


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL") or None
