"""What passes between a reference run's process and the one that orders it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

__all__ = ["FORMS", "SEED", "Order", "portrait_file", "sets_of"]

FORMS: Final[Mapping[str, bool]] = MappingProxyType({"values": True, "names": False})
"""How portraits see functions and classes of the session: by value, or by name."""


SEED: Final = 123
"""Of `random` and numpy before the first cell: the published runs'."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a reference run is to do."""

    cells: Sequence[str]
    data: str
    """The folder whose files are the session's data; empty when it has none."""
    excluded: Sequence[str]
    """Names that `[exc]` leaves out whatever they hold."""
    keep_portraits: bool

    def write(self, folder: Path) -> Path:
        """Write the order into a folder."""
        path = folder / "order.json"
        path.write_text(json.dumps(asdict(self)))
        return path


def portrait_file(folder: Path, version: int) -> Path:
    """Return where a version's portrait is kept."""
    return folder / f"{version}.portrait"


def sets_of(touched: Iterable[str], exists: Iterable[str], excluded: Iterable[str]) -> dict[str, list[str]]:
    """Return the sets of names that a version is loaded by: what its cell touched, and all; with and without `[exc]`."""
    every, left_out = set(exists), set(excluded)
    partial = set(touched) & every
    return {
        "partial": sorted(partial),
        "all": sorted(every),
        "partial[exc]": sorted(partial - left_out),
        "all[exc]": sorted(every - left_out),
    }
