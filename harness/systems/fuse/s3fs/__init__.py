"""``s3fs``, the oldest of them, as Debian ships it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar, Final

from harness.systems.fuse._objects import ObjectMount, Place
from harness.systems.fuse._protocol import SystemContext

__all__ = ["S3fs"]

# Metadata of immutable data: it never expires, has room for more files than COCO has, and says what is not there, too.
# Requests at once for a listing's attributes, and for the parts of a large object.
_TUNED: Final[Mapping[str, object]] = {
    "stat_cache_expire": 365 * 24 * 3600,
    "max_stat_cache_size": 1_000_000,
    "enable_noobj_cache": None,
    "multireq_max": 64,
    "parallel_count": 32,
}


class S3fs(ObjectMount):
    """One object per file, without a cache: that of s3fs has no limit."""

    name: ClassVar[str] = "s3fs"
    program: ClassVar[str] = "s3fs"
    how: ClassVar[str] = "make peers PEERS=s3fs, or apt-get install s3fs"
    configs: ClassVar[Mapping[str, str]] = {"s3fs": "nocache", "s3fs-tuned": "nocache+tuned"}

    def __init__(self, context: SystemContext) -> None:
        super().__init__(context)
        self._tuned = context.config.endswith("+tuned")

    def command(self, place: Place) -> list[str]:
        """Return the mount command; files that another program uploaded get owner and mode from it."""
        endpoint = place.endpoint or f"https://s3.{place.region}.amazonaws.com"
        options: dict[str, object] = {
            "url": endpoint,
            "endpoint": place.region,
            "use_path_request_style": None,
            "ro": None,
            "uid": os.geteuid(),
            "gid": os.getegid(),
            "umask": "0022",
            **(_TUNED if self._tuned else {}),
        }
        command = [place.program, f"{place.bucket}:/{place.prefix.rstrip('/')}", place.folder, "-f"]
        for name, value in options.items():
            command += ["-o", name if value is None else f"{name}={value}"]
        return command
