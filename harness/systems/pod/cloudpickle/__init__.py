"""`cloudpickle`: the compiled pickler, with functions and classes by value; `t{number}.pkl` per save."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from typing import Final

from harness.systems.pod._files import file_per_save
from harness.systems.pod._picklers import Cloudpickle, Pickler
from harness.systems.pod._protocol import Registration
from harness.systems.pod.cloudpickle._pure import PureCloudpickle

__all__ = ["SYSTEMS"]


def _pickler(fidelity: str) -> Pickler:
    return PureCloudpickle() if fidelity == "paper" else Cloudpickle()


def _how_to_get() -> str | None:
    return None if find_spec("cloudpickle") else "pip install cloudpickle"


def _version() -> str:
    return metadata.version("cloudpickle")


SYSTEMS: Final[tuple[Registration, ...]] = (file_per_save("cpkl", _pickler, _how_to_get, _version),)
