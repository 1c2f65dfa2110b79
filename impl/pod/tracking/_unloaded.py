"""What a loaded namespace says of the variables that could not be built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unloaded:
    """A variable of a version that could not be built here, the type of the error, and what it says."""

    name: str
    error: str
    reason: str
