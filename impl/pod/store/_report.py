"""What a store says of its versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_TEXT: Final = 300


class UnloadedWarning(UserWarning):
    """Some variables of a version could not be built; `Namespace.unloaded` has them."""


@dataclass(frozen=True, slots=True)
class Unsaved:
    """A variable that a version lacks, the type of its value, and why."""

    name: str
    type: str
    reason: str


class SaveReport(int):
    """The number of a version (tid), and how its save went.

    Attributes
    ----------
    message
        What the caller said of it.
    time_s
        Seconds since the epoch.
    bytes_written
        In all files of the store.
    pods_new, pods_reused
        Pods with bytes that the store did not have, and those without.
    seconds
        By phase: "track", "encode", "write".
    unsaved
        The variables that could not be saved.
    """

    message: str | None
    time_s: float
    bytes_written: int
    pods_new: int
    pods_reused: int
    seconds: Mapping[str, float]
    unsaved: tuple[Unsaved, ...]

    def __new__(
        cls,
        tid: int,
        *,
        message: str | None = None,
        time_s: float = 0.0,
        bytes_written: int = 0,
        pods_new: int = 0,
        pods_reused: int = 0,
        seconds: Mapping[str, float] | None = None,
        unsaved: tuple[Unsaved, ...] = (),
    ) -> SaveReport:
        self = super().__new__(cls, tid)
        self.message = message
        self.time_s = time_s
        self.bytes_written = bytes_written
        self.pods_new = pods_new
        self.pods_reused = pods_reused
        self.seconds = dict(seconds or {})
        self.unsaved = unsaved
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[int], dict[str, object]]:
        return (int(self),), dict(vars(self))

    @property
    def tid(self) -> int:
        """The version's number."""
        return int(self)

    def __repr__(self) -> str:
        lost = f", unsaved={[found.name for found in self.unsaved]}" if self.unsaved else ""
        return (
            f"SaveReport({int(self)}, bytes_written={self.bytes_written}, pods_new={self.pods_new}, "
            f"pods_reused={self.pods_reused}{lost})"
        )

    __str__ = int.__repr__


@dataclass(frozen=True, slots=True)
class Version:
    """One version, as the log has it.

    Attributes
    ----------
    parent
        The version that the namespace came from, None for the first.
    names
        How many variables it holds.
    bytes_written
        By its save, in all files, without the commit itself.
    source, failed
        The code that ran before it, where that is known, as in a notebook; and whether that failed.
    """

    tid: int
    parent: int | None
    time_s: float
    message: str | None
    names: int
    bytes_written: int
    tags: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    unsaved: tuple[Unsaved, ...] = ()
    source: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A name that differs between two versions; bytes of its value in each, None where it is missing."""

    name: str
    a_bytes: int | None
    b_bytes: int | None


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs from version a to version b."""

    a: int
    b: int
    added: tuple[Change, ...] = field(default=())
    removed: tuple[Change, ...] = field(default=())
    changed: tuple[Change, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def text_of(error: BaseException) -> str:
    """Return the first line of what an error says, and its type's name where it says nothing."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  (it is the user's code that raises)
        text = ""
    lines = text.splitlines() or [""]
    return lines[0][:_LONGEST_TEXT] or type(error).__name__
