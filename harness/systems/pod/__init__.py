"""Systems that keep versions of variables: pod in all its configurations, and what it is measured against."""

from __future__ import annotations

from harness.systems.pod._micro import BASELINE, MICRO
from harness.systems.pod._protocol import FIDELITIES, Registration, Times, Version, VersionSystem
from harness.systems.pod._registry import (
    has_server,
    how_to_get,
    names,
    open_system,
    options_of,
    outlives_process,
    python_of,
    refuses,
    registration,
    version_of,
)

__all__ = [
    "BASELINE",
    "FIDELITIES",
    "MICRO",
    "Registration",
    "Times",
    "Version",
    "VersionSystem",
    "has_server",
    "how_to_get",
    "names",
    "open_system",
    "options_of",
    "outlives_process",
    "python_of",
    "refuses",
    "registration",
    "version_of",
]
