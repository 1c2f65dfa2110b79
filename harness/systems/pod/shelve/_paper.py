"""The handicaps of the published comparison: dill's pure-Python pickler, and every variable written twice."""

from __future__ import annotations

import dbm
import io
import shelve
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from harness.systems.pod._picklers import Dill
from harness.systems.pod.shelve._variables import Shelve

__all__ = ["PaperShelve"]


class PaperShelve(Shelve):
    """Beside each version stands the view of its names, which dill pickles together with the dict that it is of."""

    saves_code = True

    def __init__(self, name: str, folder: Path) -> None:
        self._dill = Dill()
        super().__init__(name, folder)

    def _open(self) -> shelve.Shelf[Any]:
        return _DillShelf(dbm.open(self._path, "c"), self._dill)

    def _listed(self, kept: Mapping[str, Any]) -> Collection[str]:
        return kept.keys()


class _DillShelf(shelve.Shelf[Any]):
    def __init__(self, database: Any, dill: Dill) -> None:
        super().__init__(database)
        self._database = database
        self._dill = dill

    def __setitem__(self, key: str, value: Any) -> None:
        file = io.BytesIO()
        self._dill.dump(value, file)
        self._database[key.encode()] = file.getvalue()

    def __getitem__(self, key: str) -> Any:
        return self._dill.load(io.BytesIO(self._database[key.encode()]))
