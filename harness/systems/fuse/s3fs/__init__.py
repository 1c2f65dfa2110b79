"""``s3fs``, the oldest of them, as Debian ships it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from harness.systems.fuse._objects import ObjectMount, Place

__all__ = ["S3fs"]


class S3fs(ObjectMount):
    """One object per file, without a cache: that of s3fs has no limit."""

    name: ClassVar[str] = "s3fs"
    program: ClassVar[str] = "s3fs"
    how: ClassVar[str] = "make peers PEERS=s3fs, or apt-get install s3fs"
    configs: ClassVar[Mapping[str, str]] = {"s3fs": "nocache"}

    def command(self, place: Place) -> list[str]:
        """Return the mount command; files that another program uploaded get owner and mode from it."""
        endpoint = place.endpoint or f"https://s3.{place.region}.amazonaws.com"
        options = {
            "url": endpoint,
            "endpoint": place.region,
            "use_path_request_style": None,
            "ro": None,
            "uid": os.geteuid(),
            "gid": os.getegid(),
            "umask": "0022",
        }
        command = [place.program, f"{place.bucket}:/{place.prefix.rstrip('/')}", place.folder, "-f"]
        for name, value in options.items():
            command += ["-o", name if value is None else f"{name}={value}"]
        return command
