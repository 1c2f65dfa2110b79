"""One database per save, and one database with a history."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.systems.pod._base import Synchronous
from harness.systems.pod._picklers import Session
from harness.systems.pod._protocol import Version, variables
from harness.systems.pod._refused import LeavingOut
from harness.systems.pod.zodb._root import LEFTOVER, Database, root_of

__all__ = ["ZodbFiles", "ZodbHistory"]


class _Zodb(Synchronous):
    """What both have in common.

    Parameters
    ----------
    fidelity
        Under `paper`, the temporary file that FileStorage leaves behind counts.
    """

    def __init__(self, name: str, folder: Path, fidelity: str) -> None:
        import ZODB._compat
        import ZODB.FileStorage  # noqa: F401  (now: the first save is timed)

        super().__init__(name, folder)
        self._root = root_of(fidelity)
        self.saves_code = self._root.saves_code
        self._tidy = fidelity != "paper"
        self._session = Session(restores=self.saves_code)
        self._leaving_out = LeavingOut(self._root.attempt)

    def namespace(self) -> dict[str, Any]:
        return self._session.namespace()

    def size(self) -> int:
        leftover = (
            [path for path in self._folder.iterdir() if path.name.endswith(LEFTOVER)] if self._tidy else []
        )
        return super().size() - sum(path.stat().st_size for path in leftover)


class ZodbFiles(_Zodb):
    """`zosp`: a new database `zodb_{number}.fs` per save."""

    def __init__(self, name: str, folder: Path, fidelity: str) -> None:
        super().__init__(name, folder, fidelity)
        self._count = max((int(path.stem[len("zodb_") :]) for path in folder.glob("zodb_*.fs")), default=0)

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        wanted = variables(namespace, exclude)
        database = self._database(self._count + 1)
        try:
            _serial, self._unsaved = database.save(wanted, self._session, self._leaving_out)
        finally:
            database.close(tidy=self._tidy)
        self._count += 1
        return self._count

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        database = self._database(int(version))
        try:
            return database.load(None, self._session, names)
        finally:
            database.close(tidy=self._tidy)

    def _database(self, number: int) -> Database:
        return Database(self._folder / f"zodb_{number}.fs", self._root)


class ZodbHistory(_Zodb):
    """`zodb`: one database; a version is the serial of its root, which the database keeps."""

    def __init__(self, name: str, folder: Path, fidelity: str) -> None:
        super().__init__(name, folder, fidelity)
        self._database = Database(folder / "zodb.fs", self._root)

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        wanted = variables(namespace, exclude)
        serial, self._unsaved = self._database.save(wanted, self._session, self._leaving_out)
        return serial

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        return self._database.load(str(version), self._session, names)

    def close(self) -> None:
        self._database.close(tidy=self._tidy)
