"""One measurement at a time: a machine, or a share of its processors, is held while something is measured on it.

Two runs at once would each be the other's noise. So who measures holds ``<cache>/measuring.lock``: alone, or together
with others of the same run who were given disjoint shares of the processors. What killed runs have left would be noise,
too: who gets the lock clears it first.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from harness.errors import UsageError
from harness.home import Home
from harness.leftovers import clear_tree, remove_tree
from harness.runs import RunFolder, try_lock

__all__ = ["Slot", "hold_slot", "share_of"]

_PLACE: Final = re.compile(r"unit(?:-([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Slot:
    """Share `number` of `of` equal shares of a machine; 0 of 1 is all of it."""

    number: int = 0
    of: int = 1

    @property
    def suffix(self) -> str:
        """What tells this share's folders from those of the others."""
        return f"-{self.number}" if self.number else ""

    def place(self, home: Home) -> RunFolder:
        """Return where a process of its own measures a unit on this share."""
        return RunFolder(home.cache / f"unit{self.suffix}")


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
    """Wait until nobody else measures on this share of this machine, and hold it while the block runs.

    Before the block what killed runs have left is cleared: mounts, processes, control groups, folders. What a run
    that goes on holds is left alone, and so is what no record of ours names.
    """
    home.cache.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        machine = held.enter_context(_opened(home.cache / "measuring.lock"))
        _lock(machine, fcntl.LOCK_SH if slot.of > 1 else fcntl.LOCK_EX, say)
        if slot.of > 1:
            share = held.enter_context(_opened(_share_lock(home, slot.number)))
            _lock(share, fcntl.LOCK_EX, say)
        _clear_killed_runs(home)
        _clear_killed_units(home, slot)
        yield


def _clear_killed_runs(home: Home) -> None:
    """Clear the work of each run whose lock nobody holds. A run without a lock file mounts nothing (pod-micro)."""
    for lock in [*home.runs.glob("*/.lock"), *home.cache.glob("overhead-*/run/.lock")]:
        work = RunFolder(lock.parent).work
        if work.is_dir():
            with suppress(FileNotFoundError, PermissionError), try_lock(lock) as dead:  # gone; another user's
                if dead:
                    clear_tree(work)
                    remove_tree(work)


def _clear_killed_units(home: Home, slot: Slot) -> None:
    """Clear the places of units on which nobody measures: beside neighbours those whose share nobody holds."""
    for folder in home.cache.glob("unit*"):
        if named := _PLACE.fullmatch(folder.name):
            number = int(named[1] or 0)
            ours = slot.of == 1 or number == slot.number
            with nullcontext(ours) if ours else try_lock(_share_lock(home, number)) as dead:
                if dead:
                    clear_tree(RunFolder(folder).work)
                    remove_tree(folder)


def _share_lock(home: Home, number: int) -> Path:
    return home.cache / f"measuring-{number}.lock"


def _opened(path: Path) -> TextIO:
    return path.open("w")


def _lock(file: TextIO, how: int, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another run measures on this machine; waiting for it to end")
        fcntl.flock(file, how)
