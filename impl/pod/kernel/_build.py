"""Compile the kernel in place: `python -m pod.kernel._build`; the package's build hook calls it too.

Only the standard library is imported, for it runs before anything is installed. The binary carries a digest of its
sources; one that was made of others is not used, and not left behind.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

SOURCES: Final = ("_module.c", "_encoder.c", "_decoder.c")
_NAME: Final = "_kernel"


def binary_path(folder: Path) -> Path:
    """Return where this interpreter looks for the binary."""
    return folder / f"{_NAME}{sysconfig.get_config_var('EXT_SUFFIX') or '.so'}"


def source_digest(folder: Path) -> str:
    """Return a digest of the kernel's sources; empty if they are not there."""
    digest = hashlib.sha256()
    paths = sorted([*folder.glob("*.h"), *folder.glob("*.c")])
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest() if paths else ""


def build(folder: Path) -> str | None:
    """Compile the kernel; return why it failed, None if it did not. A failed build leaves no binary."""
    target = binary_path(folder)
    target.unlink(missing_ok=True)
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    link = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        made = Path(temporary) / target.name
        command = [
            *compiler,
            *("-O3", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-DNDEBUG"),
            f'-DSOURCE_DIGEST="{source_digest(folder)}"',
            *(
                f"-I{found}"
                for found in sorted({sysconfig.get_path("include"), sysconfig.get_path("platinclude")})
            ),
            *link,
            *(str(folder / name) for name in SOURCES),
            *("-o", str(made)),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            return str(error)
        if done.returncode:
            return done.stderr.strip() or f"{compiler[0]} ended with status {done.returncode}"
        made.replace(target)
    return None


if __name__ == "__main__":
    sys.exit(build(Path(__file__).parent))
