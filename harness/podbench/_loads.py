"""The loads of a trial: each version once, in shuffled order, timed; what came is compared with the reference afterwards."""

from __future__ import annotations

import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from harness.podbench._judge import Wrong
from harness.systems.pod import VersionSystem

__all__ = ["Judge", "Loads", "measure_loads"]

_MOST_NAMES: Final = 20


class Judge(Protocol):
    """Who knows what a version has to hold."""

    def wanted(self, version: int) -> Sequence[str]:
        """Return the names that are loaded of a version; none where there is nothing to load."""

    def size(self, version: int) -> int:
        """Return about how many bytes these are."""

    def wrong(self, version: int, loaded: Mapping[str, Any], unsaved: Collection[str]) -> Wrong | None:
        """Return what came back wrong, without what was said to be unsaved."""

    def judged(self, version: int, unsaved: Collection[str]) -> bool:
        """Say whether anything of a version is left to be compared."""


@dataclass(slots=True)
class Loads:
    """What the loads gave.

    Attributes
    ----------
    samples
        One for each load that came back, as the published files hold it.
    checked, wrong
        Loads that were compared, and those of them that were not what had been saved; a load that failed is wrong.
    first_wrong
        The first of these, in words.
    wrong_names
        In how many loads each variable was wrong.
    """

    samples: list[dict[str, float]] = field(default_factory=list)
    checked: int = 0
    wrong: int = 0
    first_wrong: str | None = None
    wrong_names: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """Return the form that a result holds."""
        return {
            "loads": self.samples,
            "verdict": {
                "checked": self.checked,
                "wrong": self.wrong,
                "first_wrong": self.first_wrong,
                "wrong_names": dict(self.wrong_names.most_common(_MOST_NAMES)),
            },
        }


def measure_loads(
    system: VersionSystem,
    versions: Sequence[int | str],
    judge: Judge,
    unsaved: Sequence[Collection[str]],
    seed: int,
    before: Callable[[], object] = gc.collect,
) -> Loads:
    """Load from each version the names that its cell needed.

    Parameters
    ----------
    versions
        What the system called the state after each cell.
    unsaved
        What it said it could not save of each: that may be missing.
    before
        Called before each load, untimed.
    """
    order = [number for number in range(len(versions)) if set(judge.wanted(number)) - set(unsaved[number])]
    random.Random(seed).shuffle(order)
    gc.collect()
    gc.freeze()  # what is there before the loads need not be looked through at each of them
    try:
        return _loads(system, versions, judge, unsaved, order, before)
    finally:
        gc.unfreeze()


def _loads(
    system: VersionSystem,
    versions: Sequence[int | str],
    judge: Judge,
    unsaved: Sequence[Collection[str]],
    order: Sequence[int],
    before: Callable[[], object],
) -> Loads:
    found = Loads()
    for nth, number in enumerate(order):
        before()
        names = judge.wanted(number)
        begin = time.perf_counter()
        try:
            loaded = system.load(versions[number], names)
        except Exception as error:  # noqa: BLE001 - whatever a system under test raises, its load has failed
            found.checked += 1
            _note(found, number, Wrong((), f"{type(error).__name__}: {error}"))
            continue
        seconds = time.perf_counter() - begin
        found.samples.append({"nth": nth, "tid": number, "time_s": seconds, "load_b": judge.size(number)})
        if judge.judged(number, unsaved[number]):
            found.checked += 1
            if wrong := judge.wrong(number, loaded, unsaved[number]):
                _note(found, number, wrong)
        del loaded
    return found


def _note(found: Loads, number: int, wrong: Wrong) -> None:
    found.wrong += 1
    found.wrong_names.update(wrong.names)
    found.first_wrong = found.first_wrong or f"the version after cell {number + 1}: {wrong.text}"
