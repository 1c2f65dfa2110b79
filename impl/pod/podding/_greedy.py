"""The learned greedy algorithm of Chipmink (LGA; PVLDB 19)."""

from __future__ import annotations

import sys
from typing import Any, Final

from pod.graph import BUNDLE
from pod.podding._policy import ShownAll, must_bundle, package_of, split
from pod.podding._volatility import Volatility

OVERHEAD_BYTES: Final = 1200
_HEADER_BYTES: Final = 16  # what the garbage collector puts before an object
_POINTER_BYTES: Final = 8
_DICT_ENTRY_BYTES: Final = 24
_SET_ENTRY_BYTES: Final = 16
_LEAST_SLOTS: Final = 8
_OF_MEMORY: Final = frozenset({"numpy", "pandas", "torch", "scipy"})


class LearnedGreedy(ShownAll):
    """Cuts an object out where the bytes that saves are expected to write become fewer.

    Of a pod, c is the chance that it changes: the rate of its root, and of each object that was bundled since, at most 1
    together. For an object of s bytes and rate r, met when the pod holds P bytes, with H bytes of overhead for each pod:

    - bundled, it costs (P + s) min(c + r, 1) + H;
    - split, P c + s r + 2 H.

    It is split if that is less. Three differences from the published system: s does not depend on how a container grew, so that
    equal graphs have equal pods; a decision is made anew in every save, for one that is kept is kept by an address;
    and atoms are never asked about, though they count in P.

    Parameters
    ----------
    volatility
        Tells the rates.
    overhead_bytes
        H.
    """

    def __init__(self, volatility: Volatility, overhead_bytes: int = OVERHEAD_BYTES) -> None:
        self._volatility = volatility
        self._overhead_bytes = overhead_bytes
        self._rates: list[float] = []  # c of each open pod, the variable's first

    def fresh(self) -> LearnedGreedy:
        return LearnedGreedy(self._volatility, self._overhead_bytes)

    def begin(self, root: object, depth: int, /) -> None:
        del self._rates[depth:]
        self._rates.append(self._volatility.rate(root))

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        if must_bundle(value):
            return BUNDLE
        pod_rate = self._rates[depth]
        rate = self._volatility.rate(value)
        size_bytes = bytes_of(value)
        together = min(pod_rate + rate, 1)
        bundled = (held_bytes + size_bytes) * together
        if bundled <= held_bytes * pod_rate + size_bytes * rate + self._overhead_bytes:
            self._rates[depth] = together
            return BUNDLE
        return split(depth)


def bytes_of(value: Any) -> int:
    """Return about what `sys.getsizeof` says, but the same for equal values, and without a call of the value's own code.

    For a list or a dict that was filled step by step `getsizeof` says more than for one that was built at once.
    """
    cls = type(value)
    if issubclass(cls, list):
        return cls.__basicsize__ + _HEADER_BYTES + _POINTER_BYTES * list.__len__(value)
    if issubclass(cls, dict):
        return cls.__basicsize__ + _HEADER_BYTES + _DICT_ENTRY_BYTES * dict.__len__(value)
    if issubclass(cls, set | frozenset):
        length = set.__len__(value) if issubclass(cls, set) else frozenset.__len__(value)
        return cls.__basicsize__ + _HEADER_BYTES + _SET_ENTRY_BYTES * max(length, _LEAST_SLOTS)
    return cls.__basicsize__ + _HEADER_BYTES + _memory_bytes(value, cls)


def _memory_bytes(value: Any, cls: type) -> int:
    """Return the bytes of the memory that an array or a frame holds; all of the one that it shares."""
    if package_of(cls) not in _OF_MEMORY:
        return 0
    frame = getattr(sys.modules.get("pandas"), "DataFrame", None)
    if frame is not None and issubclass(cls, frame):
        return int(value.memory_usage(deep=False).sum())
    found = getattr(value, "nbytes", 0)
    return found if isinstance(found, int) else 0
