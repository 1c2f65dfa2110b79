"""Values that have no identity worth comparing, written so that equal means equal in type and bits."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["AS_THEY_ARE", "ATOMS", "is_atom", "shown"]

ATOMS: Final = frozenset({int, float, complex, bool, type(None), str, bytes})
AS_THEY_ARE: Final = frozenset({int, type(None), str, bytes})
"""Atoms that stand in a portrait as they are: what looks at very many of them need not ask `shown`."""


def is_atom(value: object) -> bool:
    """Say whether a value is an exact instance of a type whose identity does not count."""
    return type(value) in ATOMS


def shown(value: object) -> object:
    """Return an atom as it stands in a portrait; tuples other than ``("@", n)`` are atoms too."""
    kind = type(value)
    if kind is float:
        return ("float", struct.pack("<d", value))
    if kind is bool:
        return ("bool", str(value))
    if isinstance(value, complex):
        return ("complex", struct.pack("<dd", value.real, value.imag))
    return value
