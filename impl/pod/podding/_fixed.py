"""Policies that do not look at what they are shown."""

from __future__ import annotations

import random
import sys

from pod.errors import InvalidArgument
from pod.graph import BUNDLE, FINAL, SPLIT
from pod.podding._policy import ShownAll, must_bundle


class ByVariable(ShownAll):
    """One pod for each variable, and for each class that is stored by value: the default."""

    apart_least = sys.maxsize
    objects = False


class BundleAll(ByVariable):
    """BundleAll of Chipmink: one pod for each variable. Our default decides the same."""


class SplitAll(ShownAll):
    """SplitAll of Chipmink: whatever is shown, but a tuple, becomes a pod of its own."""

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        return BUNDLE if must_bundle(value) else SPLIT


class RandomPodding(ShownAll):
    """Random of Chipmink: half is bundled, a quarter split, a quarter split for good, whatever it is.

    It draws from a generator of its own, never from the user's.

    Parameters
    ----------
    seed
        Sessions that do the same have the same pods.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._draw = random.Random(seed)

    def fresh(self) -> RandomPodding:
        return RandomPodding(self._seed)

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        if must_bundle(value):
            return BUNDLE
        return (BUNDLE, BUNDLE, SPLIT, FINAL)[self._draw.getrandbits(2)]


class Exhaustive(ShownAll):
    """Decisions that are given, so that a caller can try them all, as the exhaustive search of Chipmink does.

    Parameters
    ----------
    bits
        Zeros and ones. The n-th object that is shown in a save is split if the n-th is 1; those beyond are bundled. How many
        are shown does not depend on the bits.

    Attributes
    ----------
    asked
        How many objects were shown in that save, of any session with this policy, that showed most: with so many bits
        all decisions are fixed.
    """

    def __init__(self, bits: str = "") -> None:
        if bits.strip("01"):
            raise InvalidArgument(f"podding exhaustive({bits}): the decisions are zeros and ones")
        self._bits = bits
        self._next = 0
        self._most = [0]

    @property
    def asked(self) -> int:
        return self._most[0]

    def fresh(self) -> Exhaustive:
        made = Exhaustive(self._bits)
        made._most = self._most
        return made

    def start(self) -> None:
        self._next = 0

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        if must_bundle(value):
            return BUNDLE
        at, self._next = self._next, self._next + 1
        self._most[0] = max(self._most[0], self._next)
        return SPLIT if self._bits[at : at + 1] == "1" else BUNDLE
