"""The baselines: the whole namespace into a file, by pickle or by dill; file and folder synced."""

from __future__ import annotations

import os
import pickle
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

__all__ = ["DillFiles", "PickleFiles"]

_PROTOCOL = 5


class PickleFiles:
    """`pickle`, protocol 5, as it comes with Python."""

    name: ClassVar[str] = "pickle"
    saves_code: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._count = 0

    @classmethod
    def how_to_get(cls) -> str | None:
        return None

    @classmethod
    def version(cls) -> str:
        return platform.python_version()

    def namespace(self) -> dict[str, Any]:
        return {"__name__": "__main__"}

    def save(self, namespace: Mapping[str, Any]) -> Path:
        self._count += 1
        path = self._folder / f"{self._count}.pickle"
        variables = {name: value for name, value in namespace.items() if not name.startswith("__")}
        for name, value in variables.items():
            if isinstance(value, type):
                setattr(sys.modules["__main__"], name, value)  # pickle finds a session's classes there
        with path.open("wb") as file:
            self._dump(variables, file)
            file.flush()
            os.fsync(file.fileno())
        descriptor = os.open(self._folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        return path

    def load(self, version: Path, names: Sequence[str] | None = None) -> dict[str, Any]:
        with version.open("rb") as file:
            variables = self._load(file)
        return variables if names is None else {name: variables[name] for name in names}

    def close(self) -> None:
        """Nothing is open between saves."""

    def _dump(self, variables: dict[str, Any], file: BinaryIO) -> None:
        pickle.dump(variables, file, protocol=_PROTOCOL)

    def _load(self, file: BinaryIO) -> dict[str, Any]:
        variables: dict[str, Any] = pickle.load(file)  # noqa: S301 - what this process has just written
        return variables


class DillFiles(PickleFiles):
    """`dill`, the pickler that the published system builds on."""

    name: ClassVar[str] = "dill"

    @classmethod
    def how_to_get(cls) -> str | None:
        return None if find_spec("dill") else "pip install dill"

    @classmethod
    def version(cls) -> str:
        return metadata.version("dill")

    def _dump(self, variables: dict[str, Any], file: BinaryIO) -> None:
        import dill

        dill.dump(variables, file, protocol=_PROTOCOL)

    def _load(self, file: BinaryIO) -> dict[str, Any]:
        import dill

        variables: dict[str, Any] = dill.load(file)  # noqa: S301 - what this process has just written
        return variables
