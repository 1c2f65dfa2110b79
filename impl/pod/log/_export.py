"""One version as one file: a log of one entry."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from pod.errors import StoreReadOnly
from pod.log._backend import Damage, Pieces, Progress, translated
from pod.log._file import write_log
from pod.log._logfile import LogFile, Reading
from pod.log._verify import verify_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pod.io import IO

__all__ = ["ExportBackend", "write_export"]


class ExportBackend(Reading):
    """The backend of an exported file: it can be read only."""

    def __init__(self, path: Path, *, io: IO) -> None:
        with translated(path):
            self._log = LogFile(io, path)
            self._log.load(None, None)

    def refresh(self) -> None:
        """Do nothing: the file never changes."""

    def verify(self, progress: Progress | None = None) -> list[Damage]:
        """Read every byte."""
        with translated(self._log.path):
            return verify_log(self._log, progress)

    def settle(self) -> None:
        """Do nothing: there is no index."""

    def close(self) -> None:
        """Close the file."""
        self._log.file.close()

    def begin(self, token: object, timeout_s: float) -> None:
        """Refuse."""
        self._refuse()

    def append(self, pieces: Pieces) -> int:
        """Refuse."""
        self._refuse()

    def commit(self, head: bytes, body: bytes) -> int:
        """Refuse."""
        self._refuse()

    def keep(self, entries: Sequence[tuple[bytes, bytes]], pieces: Pieces) -> None:
        """Refuse."""
        self._refuse()

    def roll_back(self, token: object) -> None:
        """Do nothing: there is no transaction."""

    def _refuse(self) -> NoReturn:
        raise StoreReadOnly(
            f"{self._log.path}: an exported version cannot be changed; import it into a store"
        )


def write_export(io: IO, target: Path, entry: tuple[bytes, bytes], pieces: Pieces) -> int:
    """Write such a file, over one that is there; return its size in bytes."""
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        with translated(target, writing=True):
            size = write_log(io, unfinished, 1, [entry], pieces)
            io.replace(unfinished, target)
            io.sync_folder(target.parent)
    except BaseException:
        with suppress(OSError):
            io.delete(unfinished)
        raise
    return size
