"""What the published workloads measure, and how near ours must come: `spec.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["TOLERANCE", "Published", "published"]

_FILE: Final = Path(__file__).with_name("spec.toml")


@dataclass(frozen=True, slots=True)
class Published:
    """A published workload, at scale 1."""

    cells: int
    snapshot_bytes: int
    """Mean length of a snapshot."""
    objects: int | None
    """The most objects that a version has; None where nothing was published."""
    mutation_rate: float
    """Share of the bytes of a mean snapshot that each save after the first adds."""


def _read() -> dict[str, object]:
    return tomllib.loads(_FILE.read_text())


TOLERANCE: Final = float(str(_read()["tolerance"]))
"""How far a measured figure may lie from the published one, as a share of it."""


def published(name: str) -> Published:
    """Return what was published of a workload."""
    workloads = _read()["workloads"]
    assert isinstance(workloads, dict)  # noqa: S101 - the file is ours
    return Published(**{"objects": None, **workloads[name]})
