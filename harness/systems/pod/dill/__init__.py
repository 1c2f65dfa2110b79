"""`dill`, the pickler that the published system builds on: `t{number}.pkl` per save. As `snp`, under another name."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from typing import Final

from harness.systems.pod._files import file_per_save
from harness.systems.pod._picklers import Dill, Pickler
from harness.systems.pod._protocol import Registration

__all__ = ["SYSTEMS"]


def _pickler(_fidelity: str) -> Pickler:
    return Dill()


def _how_to_get() -> str | None:
    return None if find_spec("dill") else "pip install dill"


def _version() -> str:
    return metadata.version("dill")


SYSTEMS: Final[tuple[Registration, ...]] = (file_per_save("dill", _pickler, _how_to_get, _version),)
