"""The random-mutating tree: lists of random bytes, a share of which is changed in place in each cell."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["DEFAULTS", "ELEMENT_BYTES", "HELPERS", "MOST", "SEED", "bytes_needed", "cells"]

DEFAULTS: Final[Mapping[str, int]] = MappingProxyType(
    {"tc": 10, "tv": 100, "tl": 1000, "tml": 10, "tme": 100}
)
"""Cells, lists, elements a list, per cent of the lists that a cell changes, per cent of their elements."""

MOST: Final[Mapping[str, int]] = MappingProxyType({"tc": 10_000, "tml": 100, "tme": 100})
"""More cells are a slip of the finger; shares are per cent."""

SEED: Final = 73
ELEMENT_BYTES: Final = 100
HELPERS: Final = ("random", "rng", "idx", "jdx")

_CREATE = """\
import random
rng = random.Random({seed})
for idx in range({tv}):
    globals()[f'l_{{idx}}'] = [rng.randbytes({element}) for jdx in range({tl})]
"""
_MUTATE = """\
for idx in rng.sample(range({tv}), {lists}):
    for jdx in rng.sample(range({tl}), {elements}):
        globals()[f'l_{{idx}}'][jdx] = rng.randbytes({element})
"""


def cells(parameters: Mapping[str, int]) -> list[str]:
    """Return the sources: the first makes the lists, each other changes ``int(tv * tml / 100)`` of them."""
    values = {
        "seed": SEED,
        "element": ELEMENT_BYTES,
        "tv": parameters["tv"],
        "tl": parameters["tl"],
        "lists": parameters["tv"] * parameters["tml"] // 100,
        "elements": parameters["tl"] * parameters["tme"] // 100,
    }
    return [(_MUTATE if number else _CREATE).format(**values) for number in range(parameters["tc"])]


def bytes_needed(_scale: float, parameters: Mapping[str, int]) -> tuple[int, int]:
    """Return about how long a snapshot is, and the most memory that a cell needs."""
    snapshot_bytes = parameters["tv"] * (parameters["tl"] * (ELEMENT_BYTES + 3) + 20)
    return snapshot_bytes, 3 * snapshot_bytes
