"""What systems have in common that save before they return."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any

from harness.systems.pod._protocol import Times

__all__ = ["Synchronous", "bytes_below", "seed_this_process"]


class Synchronous:
    """A system whose `save` does all there is to do."""

    saves_code = True

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._unsaved: Mapping[str, str] = {}

    @property
    def unsaved(self) -> Mapping[str, str]:
        return self._unsaved

    def namespace(self) -> dict[str, Any]:
        return {"__name__": "__main__"}

    def seed(self, number: int) -> None:
        seed_this_process(number)

    def run(self, code: CodeType, _source: str, namespace: dict[str, Any]) -> None:
        exec(code, namespace)  # noqa: S102  (the cells of a workload)

    def join(self) -> None:
        """Nothing goes on behind `save`."""

    def size(self) -> int:
        return bytes_below(self._folder)

    def take_times(self) -> Times:
        return Times()

    def close(self) -> None:
        """Nothing is open between saves."""


def seed_this_process(number: int) -> None:
    """Seed `random` and numpy, which is imported for it."""
    import numpy as np

    random.seed(number)
    np.random.seed(number)


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files in a folder and those below it. It may be written to meanwhile: what is gone is no more."""
    found = 0
    for parent, _folders, files in os.walk(folder):
        for file in files:
            with suppress(FileNotFoundError):
                found += os.lstat(os.path.join(parent, file)).st_size  # noqa: PTH118  (walked often)
    return found
