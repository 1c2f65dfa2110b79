"""What the kernel says of a mount point."""

import os
from dataclasses import dataclass
from pathlib import Path

_ESCAPED = {b"\\": b"\\134", b" ": b"\\040", b"\t": b"\\011", b"\n": b"\\012"}


@dataclass(frozen=True, slots=True)
class MountedHere:
    """The topmost mount at a folder: its device, as ``major:minor``, and its type."""

    device: str
    type: str


def topmost_mount(folder: Path) -> MountedHere | None:
    """Return what is mounted at a folder, or None; asks the kernel, not the mount. Symbolic links must be resolved."""
    wanted = os.fsencode(folder)
    for character, escaped in _ESCAPED.items():
        wanted = wanted.replace(character, escaped)
    found = None
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        fields = line.split(b" ")
        if fields[4] == wanted:
            found = MountedHere(fields[2].decode(), fields[fields.index(b"-") + 1].decode(errors="replace"))
    return found
