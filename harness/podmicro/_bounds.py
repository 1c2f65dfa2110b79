"""What must hold of pod: each row of the speed table, as a figure of one round and its limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["BOUNDS", "Bound", "Round"]

Samples = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a workload: the samples of a system by what was measured, and those of the picklers."""

    ours: Mapping[str, Samples]
    pickle: Mapping[str, Samples]
    dill: Mapping[str, Samples]


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: the median of `figure` over all rounds must not exceed it."""

    workload: str
    what: str
    text: str
    limit: float
    unit: str
    figure: Callable[[Round], float]


def _times(workload: str, what: str, limit: float) -> Bound:
    return Bound(
        workload, what, f"<= {limit:g} x pickle", limit, "x",
        lambda r: r.ours[what]["seconds"] / r.pickle[what]["seconds"],
    )  # fmt: skip


def _bytes(workload: str, what: str, limit_bytes: int) -> Bound:
    return Bound(
        workload,
        what,
        f"<= {limit_bytes / 1024:g} KiB written",
        limit_bytes,
        "B",
        lambda r: r.ours[what]["bytes"],
    )


def _seconds(workload: str, what: str, limit_s: float) -> Bound:
    return Bound(workload, what, f"<= {limit_s:g} s", limit_s, "s", lambda r: r.ours[what]["seconds"])


def _unit(workload: str, what: str, share: float, of: str) -> Bound:
    return Bound(
        workload, what, f"<= {share:g} x {of}'s bytes written", share, "x",
        lambda r: r.ours[what]["bytes"] / r.ours[what]["unit_bytes"],
    )  # fmt: skip


_REWRITTEN: Final = "1 of 100 lists rewritten"
_UNTOUCHED: Final = "nothing touched, 1,000 names"
_PARTIAL: Final = "partial load of 1 of 100 lists"
_CHANGED: Final = (
    ("element", "1 element of an 80 MB array"),
    ("cell", "1 cell (int) of a 16 MB frame"),
    ("cell", "1 cell (float) of a 16 MB frame"),
    ("cell", "1 cell (str) of a 16 MB frame"),
)

BOUNDS: Final[tuple[Bound, ...]] = (
    _times("lists", "first save", 1.2),
    Bound(
        "lists", "first save", "<= 1/4 of dill", 0.25, "x",
        lambda r: r.ours["first save"]["seconds"] / r.dill["first save"]["seconds"],
    ),
    _times("instances", "first save", 1.3),
    _times("graph", "first save", 3.0),
    _times("arrays", "first save", 1.1),
    Bound(
        "lists", _REWRITTEN, "<= 2 % of the first save + one fsync", 0.02, "x",
        lambda r: (r.ours[_REWRITTEN]["seconds"] - r.ours[_REWRITTEN]["fsync_s"]) / r.ours["first save"]["seconds"],
    ),
    _unit("lists", _REWRITTEN, 1.1, "the list"),
    Bound(
        "names", _UNTOUCHED, "<= 1 ms + one fsync", 0.001, "s",
        lambda r: r.ours[_UNTOUCHED]["seconds"] - r.ours[_UNTOUCHED]["fsync_s"],
    ),
    _bytes("names", _UNTOUCHED, 4 << 10),
    *(_bytes(workload, what, 128 << 10) for workload, what in _CHANGED),
    *(_times(workload, what, 0.25) for workload, what in _CHANGED),
    _unit("head", "insertion at the head of a list of strings", 0.03, "the list"),
    _unit("head", "insertion at the head of a list of ints", 0.03, "the list"),
    _times("lists", "everything mutated", 1.3),
    _times("lists", "full load", 1.5),
    Bound(
        "lists", _PARTIAL, "<= 1.5 % of the full load + 2 ms", 0.015, "x",
        lambda r: (r.ours[_PARTIAL]["seconds"] - 0.002) / r.ours["full load"]["seconds"],
    ),
    _seconds("background", "save_async returns, 2 GB resident", 0.05),
    Bound("arrays", "first save", "<= 15 % extra memory", 0.15, "x", lambda r: r.ours["first save"]["extra_memory"]),
    _seconds("history", "open after 1,000 saves", 0.2),
    _seconds("history", "log of 1,000 saves", 0.2),
    Bound("history", "a save, late over early", "flat: <= 1.2 x", 1.2, "x", lambda r: r.ours["a save, late over early"]["growth"]),
)  # fmt: skip
