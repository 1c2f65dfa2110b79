"""One unit after the other, in this process."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from harness.ground import Ground, GroundOrder, lay_ground
from harness.home import Home
from harness.jobs._jobs import Jobs, UnitResult
from harness.runs import RunFolder
from harness.slot import Slot, hold_slot
from harness.unit import UnitOrder, Watcher, run_unit, verified_in

__all__ = ["here"]


class _Here:
    def __init__(self, ground: Ground, run: RunFolder, watcher: Watcher) -> None:
        self._ground = ground
        self._run = run
        self._watcher = watcher

    def facts(self) -> Mapping[str, Any]:
        return self._ground.facts()

    def results(self, orders: Sequence[UnitOrder]) -> Generator[UnitResult]:
        facts = self._ground.facts()
        verified: set[str] = set()
        for planned in orders:
            order = replace(planned, verified=tuple(sorted(verified.union(planned.verified))))
            unit = run_unit(self._ground, order, self._run, self._watcher)
            yield UnitResult(order, unit, facts, {})
            verified |= verified_in(unit)


@contextmanager
def here(order: GroundOrder, run: RunFolder, home: Home, watcher: Watcher) -> Iterator[Jobs]:
    """Measure in this process, with logs and notebooks straight into the run's folder."""
    slot = Slot()
    with hold_slot(slot, home, watcher.say), lay_ground(order, home, slot, watcher.say) as ground:
        run.prepare()
        yield _Here(ground, run, watcher)
