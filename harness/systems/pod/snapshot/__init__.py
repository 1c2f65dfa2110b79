"""Snapshots: the whole namespace into one file per save, as it is or made smaller afterwards.

snp   dill
snpc  pickle, compiled: what Python has without any library
snz   dill, then lz4
snx   dill, then the difference from the first snapshot, by the command `xdelta3`
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from subprocess import PIPE
from typing import BinaryIO, Final, cast

import lz4.frame

from harness.errors import HarnessError
from harness.systems.pod._files import FilePerSave, file_per_save
from harness.systems.pod._picklers import Dill, Pickle, Pickler, PurePickle, Readable, Writable
from harness.systems.pod._protocol import Registration

__all__ = ["SYSTEMS"]

_XDELTA: Final = "xdelta3"
# The window on the first snapshot: all of it, as far as the program can.
_LEAST_WINDOW_BYTES: Final = 1 << 26
_LARGEST_WINDOW_BYTES: Final = 1 << 31


class Lz4Snapshots(FilePerSave):
    """lz4 frames of the pickled bytes."""

    @contextmanager
    def _encoded(self, file: BinaryIO) -> Iterator[Writable]:
        with lz4.frame.open(file, "wb") as compressed:
            yield compressed

    @contextmanager
    def _decoded(self, file: BinaryIO) -> Iterator[Readable]:
        with lz4.frame.open(file, "rb") as plain:
            yield plain


class XdeltaSnapshots(FilePerSave):
    """The first snapshot as it is, of each later one what differs from it."""

    @contextmanager
    def _encoded(self, file: BinaryIO) -> Iterator[Writable]:
        if self._count == 0:
            yield file
            return
        with (
            subprocess.Popen([*self._command("-e"), "-c"], stdin=PIPE, stdout=file, stderr=PIPE) as process,
            _ended(process),
        ):
            yield cast("BinaryIO", process.stdin)

    @contextmanager
    def _decoded(self, file: BinaryIO) -> Iterator[Readable]:
        if Path(file.name) == self._path(1):
            yield file
            return
        with (
            subprocess.Popen([*self._command("-d"), "-c"], stdin=file, stdout=PIPE, stderr=PIPE) as process,
            _ended(process),
        ):
            yield cast("BinaryIO", process.stdout)

    def _command(self, what: str) -> list[str]:
        first = self._path(1)
        window = min(max(first.stat().st_size, _LEAST_WINDOW_BYTES), _LARGEST_WINDOW_BYTES)
        return [_XDELTA, what, "-B", str(window), "-s", str(first)]


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """See a process to its end: after what is done here, or at once if that fails."""
    try:
        yield
        _output, said = process.communicate()
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode != 0:
        raise HarnessError(
            f"{_XDELTA} ended with {process.returncode}: {said.decode(errors='replace').strip()}"
        )


def _pickle(fidelity: str) -> Pickler:
    """Return Python's pickler: the published comparison had its pure-Python one for all."""
    return PurePickle() if fidelity == "paper" else Pickle()


def _dill(_fidelity: str) -> Pickler:
    return Dill()


def _dill_version() -> str:
    return metadata.version("dill")


def _lz4_version() -> str:
    return f"lz4 {metadata.version('lz4')}, dill {metadata.version('dill')}"


def _xdelta_version() -> str:
    said = subprocess.run([_XDELTA, "-V"], check=True, capture_output=True, text=True)
    first, _comma, _copyright = (said.stdout or said.stderr).partition(",")
    return f"{first}, dill {metadata.version('dill')}"


def _how_to_get_xdelta() -> str | None:
    return None if shutil.which(_XDELTA) else "make peers PEERS=xdelta3"


SYSTEMS: Final[tuple[Registration, ...]] = (
    file_per_save("snp", _dill, lambda: None, _dill_version),
    file_per_save("snz", _dill, lambda: None, _lz4_version, Lz4Snapshots),
    file_per_save("snx", _dill, _how_to_get_xdelta, _xdelta_version, XdeltaSnapshots),
    file_per_save("snpc", _pickle, lambda: None, platform.python_version),
)
