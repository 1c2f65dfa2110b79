"""One key per save and variable, by `shelve.open`."""

from __future__ import annotations

import shelve
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.systems.pod._base import Synchronous
from harness.systems.pod._files import sync, sync_folder
from harness.systems.pod._picklers import Session
from harness.systems.pod._protocol import Version, variables
from harness.systems.pod._refused import reason_of

__all__ = ["Shelve"]

_PREFIX: Final = "shelf"


class Shelve(Synchronous):
    """A shelf that is opened for each save and load, as `shelve`'s documentation shows it; then its files are synced."""

    saves_code: bool = False

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._path = str(folder / _PREFIX)
        self._session = Session(restores=self.saves_code)
        self._count = 0
        if any(folder.iterdir()):
            with self._open() as shelf:
                self._count = max((int(key) for key in shelf if key.isdecimal()), default=0)

    def namespace(self) -> dict[str, Any]:
        return self._session.namespace()

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        wanted = variables(namespace, exclude)
        number = self._count + 1
        refused: dict[str, str] = {}
        with self._session.as_main(), self._open() as shelf:
            for name, value in wanted.items():
                try:
                    shelf[f"{number}:{name}"] = value
                except MemoryError:
                    raise
                except Exception as error:  # noqa: BLE001  (whatever a pickler raises is the reason that is reported)
                    refused[name] = reason_of(error)
            kept = {name: value for name, value in wanted.items() if name not in refused}
            shelf[str(number)] = self._listed(kept)
        for path in self._folder.iterdir():
            sync(path)
        sync_folder(self._folder)
        self._count, self._unsaved = number, refused
        return number

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        with self._open() as shelf:

            def load() -> dict[str, Any]:
                saved = list(shelf[str(version)])
                return {name: shelf[f"{version}:{name}"] for name in saved if names is None or name in names}

            return self._session.load(load, names)

    def _open(self) -> shelve.Shelf[Any]:
        return shelve.open(self._path)  # noqa: S301  (what the harness has written)

    def _listed(self, kept: Mapping[str, Any]) -> Collection[str]:
        """Return what tells the names of a version."""
        return list(kept)
