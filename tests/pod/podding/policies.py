"""Policies to try: all that can be named, and some that cut where no named one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.podding import BUNDLE, FINAL, SPLIT, podding_named
from pod.podding._policy import ShownAll

if TYPE_CHECKING:
    from pod.podding import Podding

__all__ = ["NAMED", "POLICIES", "EveryThing"]

NAMED = (
    "default",
    "manual",
    "lga",
    "const(0.5)",
    "naive",
    "bundle",
    "random(3)",
    "exhaustive(0110100110010110)",
)


class EveryThing(ShownAll):
    """Cuts out all that it is shown, tuples included."""

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        return SPLIT


class LongLists(EveryThing):
    """Cuts out some lists."""

    apart_least = 3
    objects = False

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        return SPLIT if isinstance(value, list) else BUNDLE


class ByTurns(EveryThing):
    """Goes by how much the pod holds and how deep it lies."""

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        return (BUNDLE, SPLIT, FINAL, SPLIT)[(held_bytes + depth) % 4]


POLICIES: dict[str, Podding] = {
    **{name: podding_named(name) for name in NAMED},
    "everything": EveryThing(),
    "long lists": LongLists(),
    "by turns": ByTurns(),
}
