"""What becomes a pod of its own.

Every variable's object is the root of a pod, unless an earlier variable's pod holds it already; what two pods reach lies in the
first and is referred to by the second. Classes that are stored by value are always pods of their own. A `Podding` decides
about everything else: it is shown containers (list, dict, tuple, set, frozenset) as they are met.

Cutting costs a record per pod, and buys what can be read, and looked at anew, apart from the rest. Chunks already make a
small change to a large pod a small write, so our own policy, `ByVariable`, cuts nothing more.
"""

from __future__ import annotations

import sys
from typing import Final, Protocol

__all__ = ["ByVariable", "Podding"]


class Podding(Protocol):
    """A policy. It must be deterministic: equal graphs have equal pods."""

    @property
    def apart_least(self) -> int:
        """Containers of fewer items are never shown to `apart`."""

    def apart(self, value: object, /) -> bool:
        """Say whether a container becomes a pod of its own."""


class ByVariable:
    """One pod for each variable, and for each class that is stored by value."""

    apart_least: Final = sys.maxsize

    def apart(self, value: object, /) -> bool:
        """Cut nothing."""
        return False
