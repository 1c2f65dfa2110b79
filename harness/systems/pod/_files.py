"""One file per save, with all variables as one graph; file and folder are synced."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from typing_extensions import Buffer

from harness.systems.pod._base import Synchronous
from harness.systems.pod._picklers import Pickler, Readable, Session, Writable
from harness.systems.pod._protocol import Registration, Version, VersionSystem, variables
from harness.systems.pod._refused import LeavingOut

__all__ = ["FilePerSave", "file_per_save", "sync", "sync_folder"]

_SUFFIX: Final = ".pkl"


class FilePerSave(Synchronous):
    """The whole namespace into a file.

    A subclass that stores other bytes than the pickler's overrides `_encoded` and `_decoded`.

    Parameters
    ----------
    pickler
        What makes the bytes.
    """

    def __init__(self, name: str, folder: Path, pickler: Pickler) -> None:
        super().__init__(name, folder)
        self.saves_code = pickler.saves_code
        self._pickler = pickler
        self._session = Session(restores=pickler.saves_code)
        self._leaving_out = LeavingOut(lambda some: self._pickler.dump(some, _Nowhere()))
        self._count = max((int(path.stem[1:]) for path in folder.glob(f"t*{_SUFFIX}")), default=0)

    def namespace(self) -> dict[str, Any]:
        return self._session.namespace()

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        wanted = variables(namespace, exclude)
        path = self._path(self._count + 1)
        with self._session.as_main():
            self._unsaved = self._leaving_out.save(wanted, lambda some: self._write(some, path))
        sync_folder(self._folder)
        self._count += 1
        return self._count

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        with self._path(int(version)).open("rb") as file, self._decoded(file) as decoded:
            return self._session.load(lambda: self._pickler.load(decoded), names)

    def _path(self, number: int) -> Path:
        return self._folder / f"t{number}{_SUFFIX}"

    def _write(self, some: Mapping[str, Any], path: Path) -> None:
        try:
            with path.open("wb") as file:
                with self._encoded(file) as encoded:
                    self._pickler.dump(some, encoded)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    @contextmanager
    def _encoded(self, file: BinaryIO) -> Iterator[Writable]:
        yield file

    @contextmanager
    def _decoded(self, file: BinaryIO) -> Iterator[Readable]:
        yield file


def file_per_save(
    name: str,
    pickler: Callable[[str], Pickler],
    how_to_get: Callable[[], str | None],
    version: Callable[[], str],
    kind: type[FilePerSave] = FilePerSave,
) -> Registration:
    """Register a system of this kind; `pickler` makes its pickler for a fidelity."""

    def opened(folder: Path, fidelity: str, _existing: bool) -> VersionSystem:
        return kind(name, folder, pickler(fidelity))

    def options(fidelity: str) -> dict[str, object]:
        return {"mode": "sync", "pickler": pickler(fidelity).about, "synced": "file and folder, each save"}

    return Registration(name, opened, options, how_to_get, version)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Buffer) -> int:
        return memoryview(data).nbytes


def sync(path: Path) -> None:
    """Let what was written to a file survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


sync_folder: Final = sync
