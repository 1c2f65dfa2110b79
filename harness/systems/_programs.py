"""Other projects' programs: where they are found, and what says which one it was."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from harness.home import find_home

__all__ = ["digest_of", "find_program", "said_by", "version_in"]

_TIMEOUT_S: Final = 30
_VERSION: Final = re.compile(r"\d+\.\d+[\w.+-]*")


def find_program(name: str, variable: str | None = None) -> Path | None:
    """Return a program, or None.

    An environment variable that names one has the last word; else it is looked for beside this interpreter (where pip
    puts programs), on PATH, and where ``make peers`` puts what it builds.
    """
    if variable is not None and (named := os.environ.get(variable)):
        found = shutil.which(named)
        return Path(found) if found else None
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    folders.append(str(find_home().cache / "peers" / "bin"))
    found = shutil.which(name, path=os.pathsep.join(folders))
    return Path(found) if found else None


def _state(program: Path) -> tuple[str, int, int]:
    stat = program.stat()
    return str(program), stat.st_size, stat.st_mtime_ns


def digest_of(program: Path) -> str:
    """Return the SHA-256 of a program; computed once while it does not change."""
    return _digest(_state(program))


@cache
def _digest(state: tuple[str, int, int]) -> str:
    with Path(state[0]).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def said_by(program: Path, *arguments: str) -> str:
    """Return what a program prints, on either stream; asked once while it does not change."""
    return _said(_state(program), arguments)


@cache
def _said(state: tuple[str, int, int], arguments: tuple[str, ...]) -> str:
    command = [state[0], *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).strip()


def version_in(text: str) -> str:
    """Return the first version number of a text."""
    match = _VERSION.search(text)
    return match[0] if match else "unknown"
