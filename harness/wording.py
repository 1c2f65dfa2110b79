"""How what is said to the user is worded: counts, and commands that work when they are pasted."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["command", "counted", "program"]


def counted(number: int, noun: str) -> str:
    """Return ``1 run`` or ``2 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def command(arguments: str) -> str:
    """Return a ``harness`` command that works when it is pasted here."""
    return f"{program()} {arguments}"


def program() -> str:
    """Return what to call ``harness`` by: its path, unless PATH finds that of this environment."""
    python = Path(sys.executable)
    script = python.with_name("harness")
    found = shutil.which("harness")
    if found and Path(found).absolute() == script:
        return "harness"
    if not script.exists():
        return f"{_shortest(python)} -m harness"
    return _shortest(script)


def _shortest(path: Path) -> str:
    with contextlib.suppress(ValueError, FileNotFoundError):  # it lies elsewhere; the current folder is gone
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))
