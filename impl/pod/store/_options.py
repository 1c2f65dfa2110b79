"""How a store saves: what `pod.open` was given, checked."""

from __future__ import annotations

import operator
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pod.errors import InvalidArgument
from pod.podding import podding_named
from pod.tracking import TRACKINGS, tracking_named

if TYPE_CHECKING:
    from pod.podding import Podding
    from pod.tracking import Tracking

LOCKS: Final = ("variable", "all")
MODES: Final = ("sync", "auto", "fork", "thread", "thread-deferred")
CODECS: Final = ("none", "lz4", "zstd")
FIDELITIES: Final = ("fixed", "paper")


@dataclass(frozen=True, slots=True)
class Options:
    """How a store saves; see `pod.open`, which takes the same.

    Raises
    ------
    InvalidArgument
        A value is unknown; the message has those that are known.
    """

    podding: str | Podding = "default"
    tracking: str | Tracking = "names"
    ascc: bool = False
    lock: str = "variable"
    mode: str = "auto"
    codec: str = "none"
    thesaurus_bytes: int | None = None
    chunk_dedup: bool = True
    fidelity: str = "fixed"

    def __post_init__(self) -> None:
        """Check everything, so that nothing is opened with options that cannot be."""
        checked_known("fidelity", self.fidelity, FIDELITIES)
        if not hasattr(self.podding, "apart"):
            podding_named(self.podding, fidelity=self.fidelity)
        if not hasattr(self.tracking, "touched"):
            checked_known("tracking", self.tracking, TRACKINGS, " or a Tracking")
        checked_known("lock", self.lock, LOCKS)
        checked_known("mode", self.mode, MODES)
        checked_known("codec", self.codec, CODECS)
        _check_switch("ascc", self.ascc)
        _check_switch("chunk_dedup", self.chunk_dedup)
        if self.thesaurus_bytes is not None:
            object.__setattr__(self, "thesaurus_bytes", _checked_bytes(self.thesaurus_bytes))

    def new_podding(self) -> Podding:
        """Return the policy that `podding` names."""
        if isinstance(self.podding, str):
            return podding_named(self.podding, fidelity=self.fidelity)
        return self.podding

    def new_tracking(self) -> Tracking:
        """Return the policy that `tracking` names."""
        return tracking_named(self.tracking) if isinstance(self.tracking, str) else self.tracking


def checked_known(what: str, given: object, known: tuple[str, ...], more: str = "") -> str:
    """Return an option's value, which must be one of those that are known."""
    if isinstance(given, str) and given in known:
        return given
    raise InvalidArgument(f"{what} cannot be {reprlib.repr(given)}; known are: {', '.join(known)}{more}")


def _check_switch(what: str, given: object) -> None:
    if not isinstance(given, bool):
        raise InvalidArgument(
            f"{what} is a {type(given).__name__}, {reprlib.repr(given)}; give True or False"
        )


def _checked_bytes(given: object) -> int:
    try:
        number = operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(given, bool):
        raise InvalidArgument(
            f"thesaurus_bytes is a {type(given).__name__}, {reprlib.repr(given)}; give a number of bytes, or None"
        )
    if number < 0:
        raise InvalidArgument(f"thesaurus_bytes cannot be {number}; give 0 or more bytes, or None")
    return number
