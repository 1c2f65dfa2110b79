"""The control files: looked up and opened by name in the root, listed nowhere."""

from collections.abc import Callable
from dataclasses import dataclass

CONTROL_FOLDER_INO = 5


@dataclass(frozen=True, slots=True)
class ControlFile:
    """A file whose content is made when it is opened.

    Attributes
    ----------
    ino : inode number, below 32
    folder : inode number of its folder
    content : called at each open; None where the file is for writing only
    """

    ino: int
    folder: int
    name: bytes
    content: Callable[[], bytes] | None


def control_files(
    version: Callable[[], bytes], clear_cache: Callable[[], bytes], metrics: Callable[[], bytes]
) -> list[ControlFile]:
    """Return the control files of a mount.

    ``.clearcache`` acts when it is opened for reading: on a mount that the kernel knows to be read-only, an open for
    writing never gets here. ``.commit`` is for a writable mount.
    """
    return [
        ControlFile(2, 1, b".version", version),
        ControlFile(3, 1, b".commit", None),
        ControlFile(4, 1, b".clearcache", clear_cache),
        ControlFile(6, CONTROL_FOLDER_INO, b"pond.prom", metrics),
    ]
