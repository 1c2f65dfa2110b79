"""A control: pond made to prefetch as the published system does, after every read, one request at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.systems.fuse.pond import Pond

__all__ = ["PondBlind"]


class PondBlind(Pond):
    """Nothing uses this by default; a measurement that cannot tell it from pond proves nothing."""

    name: ClassVar[str] = "pond-blind"
    configs: ClassVar[Mapping[str, str]] = {"pond-blind": "2GiB"}
    prefetch: ClassVar[str] = "blind"
