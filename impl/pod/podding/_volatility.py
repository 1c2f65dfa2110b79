"""Volatility models: how likely a value changes from one save to the next.

Chipmink trains one (PVLDB 19; LightGBM on the value's size, its length and the number of its attributes). A model that is
trained comes in here, as one more class; `Untrained` stands in for it until then.
"""

from __future__ import annotations

from typing import Final, Protocol

from pod.errors import InvalidArgument

_NEVER: Final = (str, bytes, int, float, complex, bool, tuple, frozenset, type(None), type)
USUAL_RATE: Final = 0.1


class Volatility(Protocol):
    """A model. It must be deterministic, and not run the value's own code."""

    def rate(self, value: object, /) -> float:
        """Return the chance that a value changes from one save to the next, 0 to 1."""


class Untrained:
    """The same for all that can change, 0 for the types that Chipmink takes to be unchangeable."""

    def rate(self, value: object, /) -> float:
        return 0.0 if never_changes(value) else USUAL_RATE


class ConstantVolatility:
    """The same for all values: LGA-0 and LGA-1 of Chipmink, with a rate of 0 or 1.

    Parameters
    ----------
    rate
        0 to 1.
    """

    def __init__(self, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise InvalidArgument(f"a rate of change of {rate}: it must be from 0 to 1")
        self._rate = rate

    def rate(self, value: object, /) -> float:
        return self._rate


def never_changes(value: object) -> bool:
    """Say whether a value is of a type of which Chipmink takes no value to change."""
    return issubclass(type(value), _NEVER)
