"""What a FUSE system under test has to offer. One folder a system; the trial drives it, in the trial's process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from harness.kernelcache import Proof

__all__ = ["FuseSystem", "Layout", "SystemContext"]

Layout = Literal["none", "pond", "objects"]


@dataclass(frozen=True, slots=True)
class SystemContext:
    """What a system is given: where the data lies, and what it may use."""

    config: str
    dataset_folder: Path
    dataset_bytes: int
    s3_url: str | None
    scale: Fraction
    work: Path


class FuseSystem(Protocol):
    """A file system, one config of it, mounted afresh for one trial."""

    name: ClassVar[str]
    layout: ClassVar[Layout]
    """What must lie in S3 before: nothing, a pond version, or one object per file."""
    ceiling: ClassVar[bool]
    """Whether this is a ceiling (no network, no cache of its own) and not a system to be judged."""
    configs: ClassVar[Mapping[str, str]]
    """The names that ``CONFIG=`` takes for this system, and the config that each stands for."""

    def __init__(self, context: SystemContext) -> None: ...

    @classmethod
    def how_to_get(cls) -> str | None:
        """Return None when the system is installed, else one line that says how to get it."""

    @classmethod
    def version(cls) -> str: ...

    @classmethod
    def digest(cls) -> str: ...

    @property
    def pid(self) -> int | None:
        """The daemon, while it is mounted."""

    @property
    def argv(self) -> list[str]:
        """The command line that mounts it, with placeholders in the place of folders and addresses."""

    @property
    def cache_bytes(self) -> int | None:
        """The bytes that the system's own cache may hold; None when it has none."""

    @property
    def page_cache(self) -> bool:
        """Whether this row means to leave file data in the kernel's page cache."""

    @property
    def warm_pages(self) -> bool:
        """Whether the page cache is left alone before a warm epoch, because it is what this row is there to show."""

    def prepare(self) -> None:
        """Do what must be done before the timed mount."""

    def mount(self) -> Path:
        """Mount and return the folder of images, when it can be listed."""

    def reset(self, layer: str) -> Proof:
        """Empty one layer of the system's own caches ("memory" or "disk")."""

    def stats(self) -> Mapping[str, float]:
        """Return the system's own counters."""

    def unmount(self) -> None:
        """Unmount, and wait for the daemon to be gone."""
