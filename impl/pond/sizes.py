"""Sizes as people write them."""

import re
from fractions import Fraction

from pond.errors import InvalidArgument

__all__ = ["format_size", "parse_size"]

_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGTP", start=1):
    _UNITS[f"{_letter}IB"] = 1024**_power
    _UNITS[f"{_letter}B"] = 1000**_power
    _UNITS[_letter] = 1024**_power

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$")


def parse_size(text: str) -> int:
    """Return the bytes that ``8MiB``, ``1.5 GB`` or ``4096`` stand for.

    ``KiB MiB GiB TiB PiB`` and ``K M G T P`` are powers of 1024; ``KB MB GB TB PB`` are powers of 1000.

    Raises
    ------
    InvalidArgument
        It is not a size.
    """
    match = _SIZE.match(text)
    factor = _UNITS.get(match[2].upper()) if match else None
    if match is None or factor is None:
        raise InvalidArgument(f"{text!r} is not a size; write for example 8MiB")
    return int(Fraction(match[1]) * factor)


def format_size(size_bytes: int) -> str:
    """Return a size with a binary unit and at most one decimal: ``8 MiB``, ``1.5 GiB``."""
    value, unit = float(size_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024 or unit == "PiB":
            break
        value /= 1024
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"
