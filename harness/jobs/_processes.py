"""Several units at once on this machine, each with its own share of the processors and its own server."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from harness.errors import HarnessError
from harness.ground import GroundOrder
from harness.jobs._jobs import Jobs, UnitResult
from harness.jobs._process import order_for, pass_on, run_process
from harness.slot import Slot, share_of
from harness.unit import UnitOrder, Watcher, verified_in

__all__ = ["processes"]


class _Processes:
    def __init__(self, order: GroundOrder, at_once: int, watcher: Watcher) -> None:
        self._order = order
        self._at_once = at_once
        self._watcher = watcher
        self._stop = threading.Event()
        self._verified: set[str] = set()  # grows when a unit has been kept
        self._free: queue.Queue[Slot] = queue.Queue()
        for number in range(at_once):
            self._free.put(Slot(number, at_once))

    def facts(self) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = self._run(None)["facts"]
        return facts

    def results(self, orders: Sequence[UnitOrder]) -> Generator[UnitResult]:
        with ThreadPoolExecutor(self._at_once) as threads:
            futures = [threads.submit(self._result, order) for order in orders]
            try:
                for future in as_completed(futures):
                    result = future.result()
                    yield result
                    self._verified |= verified_in(result.unit) if result.unit else set()
            finally:
                self._stop.set()
                threads.shutdown(cancel_futures=True)

    def _result(self, order: UnitOrder) -> UnitResult:
        try:
            known = tuple(sorted({*self._verified, *order.verified}))
            answer = self._run(replace(order, verified=known))
        except HarnessError as error:
            return UnitResult(order, None, {}, {}, str(error))
        return UnitResult(order, answer["unit"], answer["facts"], answer["files"])

    def _run(self, unit: UnitOrder | None) -> dict[str, Any]:
        slot = self._free.get()
        try:
            return run_process(
                order_for(self._order, unit, slot),
                lambda event: pass_on(event, self._watcher),
                lambda: not self._stop.is_set(),
            )
        finally:
            self._free.put(slot)


@contextmanager
def processes(order: GroundOrder, at_once: int, watcher: Watcher) -> Iterator[Jobs]:
    """Measure `at_once` units at a time. Neighbours are noise: their figures are labelled so."""
    share_of(Slot(0, at_once))  # enough processors?
    yield _Processes(order, at_once, watcher)
