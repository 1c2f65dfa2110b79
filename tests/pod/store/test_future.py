"""The outcome of a save that goes on after its call returned, whoever asks for it, and when."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import pod
from pod.store._future import SaveFuture
from tests.pod.stopping import Stopping


class Running:
    """A save that ends with an error when it is told to; it says how many waited for it at once."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.waiting = 0
        self.waiting_most = 0

    def wait(self, timeout_s: float | None) -> BaseException | None:
        self.waiting += 1
        self.waiting_most = max(self.waiting_most, self.waiting)
        found = self.end.wait(timeout_s)
        self.waiting -= 1
        return ValueError("late") if found else None


def test_many_may_wait_for_one_future_which_is_settled_once() -> None:
    running = Running()
    settled: list[object] = []
    future = SaveFuture(running, settled.append)
    threads = [threading.Thread(target=future.exception) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert not future.done()
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        future.result(0.2)
    assert 0.2 <= time.monotonic() - before < 30
    running.end.set()
    for thread in threads:
        thread.join(60)
    assert future.done()
    assert len(settled) == running.waiting_most == 1


def test_a_future_that_is_settled_again_does_not_make_the_store_forget_the_save_that_runs(
    tmp_path: Path,
) -> None:
    """As it is when its first waiter was interrupted after it was settled."""
    podding = Stopping()
    ns = pod.new_managed_namespace({"a": [1]})
    with pod.open(tmp_path / "store", mode="thread-deferred", podding=podding) as store:
        first = store.save_async(ns)
        outcome = first.result()
        ns["a"] = [1, 2, 3, 4, 5, 6, 7]
        second = store.save_async(ns)
        assert podding.reached.wait(60)
        first._settled(outcome)
        threading.Timer(0.2, podding.go.set).start()
    assert second.exception() is None
