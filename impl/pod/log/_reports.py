"""What a log says of itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GcReport", "LogStats"]


@dataclass(frozen=True, slots=True)
class GcReport:
    """What a `Log.gc` deleted."""

    versions: int
    pieces: int
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class LogStats:
    """How much a log holds: its versions, their pieces, bytes on the disk, how often it was written anew."""

    versions: int
    pieces: int
    log_bytes: int
    index_bytes: int
    generation: int
