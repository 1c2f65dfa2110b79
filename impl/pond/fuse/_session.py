"""What an engine is given to serve."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pond.filesystem import Filesystem
from pond.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Session:
    """A file system, where and how to mount it.

    Attributes
    ----------
    files, metrics
    mountpoint : absolute
    source : what ``findmnt`` shows as the source
    page_cache : whether the kernel may keep files' pages
    timeout_s : how long the kernel may keep names and attributes
    allow_other : let other users in
    ready : called once the mount is there
    ending : called when it goes; must see to it that no read waits any longer
    """

    files: Filesystem
    metrics: Metrics
    mountpoint: Path
    source: str
    page_cache: bool
    timeout_s: float
    allow_other: bool
    ready: Callable[[], None]
    ending: Callable[[], None]
