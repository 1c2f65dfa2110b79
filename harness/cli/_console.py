"""The console that tables are printed on."""

from __future__ import annotations

import os
import sys

from rich.console import Console

__all__ = ["output"]


def output(columns: int = 150) -> Console:
    """Return a console on stdout: as wide as the terminal, else as COLUMNS says, else `columns` wide."""
    if sys.stdout.isatty():
        return Console()
    said = os.environ.get("COLUMNS", "")
    return Console(width=int(said) if said.isdecimal() and int(said) > 0 else columns)
