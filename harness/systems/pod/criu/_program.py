"""The program `criu`: where it is, and what the kernel lets it do."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from harness.errors import HarnessError
from harness.systems._programs import find_program, said_by, version_in

__all__ = ["how_to_get", "run", "version", "why_no_tracking"]

_LEAST: Final = 4
_TIMEOUT_S: Final = 600
_HOW: Final = "make peers PEERS=criu, as root (Debian's own is too old before 13); or CRIU=/path/to/criu"


def _program() -> Path | None:
    return find_program("criu", "CRIU")


def version() -> str:
    """Return its version."""
    program = _program()
    return version_in(said_by(program, "--version")) if program else "unknown"


def how_to_get() -> str | None:
    """Say how to get a CRIU that works here; None if there is one."""
    found = version()
    if not found[0].isdigit() or int(found.split(".")[0]) < _LEAST:
        return _HOW
    if os.geteuid() != 0:
        return "CRIU takes images as root only"
    return None


@cache
def why_no_tracking() -> str | None:
    """Say why CRIU cannot tell which pages changed; None if it can, or is not here."""
    program = _program()
    if program is None:
        return None
    done = subprocess.run(
        [program, "check", "--feature", "mem_dirty_track"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"this kernel does not tell which pages changed (CONFIG_MEM_SOFT_DIRTY): {said[-1] if said else 'criu check fails'}"


def run(arguments: list[str], images: Path, *, before: tuple[str, ...] = ()) -> None:
    """Run it on a folder of images.

    Raises
    ------
    HarnessError
        It fails; the message has the last error of its log.
    """
    log = f"{arguments[0]}.log"
    command = [*before, str(_program()), *arguments, "-D", str(images), "-o", log, "-v1"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
    )
    if done.returncode:
        lines = (images / log).read_text(errors="replace").splitlines() if (images / log).exists() else []
        errors = [line for line in lines if "Error" in line] or [done.stderr.strip() or "it says nothing"]
        raise HarnessError(f"criu {arguments[0]} ended with {done.returncode}: {errors[-1]}")
