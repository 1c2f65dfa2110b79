"""One measurement at a time: a machine, or a share of its processors, is held while something is measured on it.

Two runs at once would each be the other's noise. So who measures holds ``<cache>/measuring.lock``: alone, or together
with others of the same run who were given disjoint shares of the processors.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from harness.errors import UsageError
from harness.home import Home

__all__ = ["Slot", "hold_slot", "share_of"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Share `number` of `of` equal shares of a machine; 0 of 1 is all of it."""

    number: int = 0
    of: int = 1

    @property
    def suffix(self) -> str:
        """What tells this share's folders from those of the others."""
        return f"-{self.number}" if self.number else ""


def share_of(slot: Slot) -> tuple[int, ...]:
    """Return the processors of a slot.

    Raises
    ------
    UsageError
        When there are fewer processors than slots.
    """
    cpus = sorted(os.sched_getaffinity(0))
    each = len(cpus) // slot.of
    if each == 0:
        raise UsageError(f"{slot.of} jobs at once need as many processors; there are {len(cpus)}")
    return tuple(cpus[slot.number * each : (slot.number + 1) * each] if slot.of > 1 else cpus)


@contextmanager
def hold_slot(slot: Slot, home: Home, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until nobody else measures on this share of this machine, and hold it while the block runs."""
    home.cache.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        machine = held.enter_context(_opened(home.cache / "measuring.lock"))
        _lock(machine, fcntl.LOCK_SH if slot.of > 1 else fcntl.LOCK_EX, say)
        if slot.of > 1:
            share = held.enter_context(_opened(home.cache / f"measuring-{slot.number}.lock"))
            _lock(share, fcntl.LOCK_EX, say)
        yield


def _opened(path: Path) -> TextIO:
    return path.open("w")


def _lock(file: TextIO, how: int, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another run measures on this machine; waiting for it to end")
        fcntl.flock(file, how)
