"""Units on the workers of a Dask cluster: one at a time on each machine, each in a process of its own.

A worker needs this repository at the same commit, and no file system in common with anybody: what a unit kept comes back
over the network and is written here alone. When a worker is lost, Dask runs its unit again elsewhere; nothing of the
first attempt was kept, so nothing is doubled.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from harness.errors import HarnessError, NotInstalled
from harness.ground import GroundOrder
from harness.jobs._jobs import Jobs, UnitResult
from harness.jobs._process import order_for, pass_on, run_process
from harness.slot import Slot
from harness.unit import UnitOrder, Watcher

__all__ = ["dask_jobs", "on_client", "require_dask"]

_CONNECT_S: Final = 10.0
_STOP_S: Final = 60.0
_POLL_S: Final = 0.5
_CONNECTED: Final = frozenset(
    {"running", "connecting"}
)  # the client itself gives up on a scheduler that is gone


def require_dask(module: str) -> None:
    """Say in one line how to get what `module` belongs to, where it is missing.

    Raises
    ------
    NotInstalled
        When it cannot be imported.
    """
    from importlib import util

    if util.find_spec(module) is None:
        raise NotInstalled(f"{module} is not installed: pip install 'pond-pod-bench[cluster]'")


def do_unit(order: Mapping[str, Any], topic: str) -> dict[str, Any]:
    """Run one unit on the Dask worker that calls this, until it is done or cancelled."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def hear(event: Mapping[str, Any]) -> None:
        worker.log_event(topic, {"key": key, **event})

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    hear({"begins": True})
    try:
        return run_process(order, hear, wanted)
    finally:
        hear({"ends": True})


class _Dask:
    def __init__(self, client: Any, order: GroundOrder, run_id: str, watcher: Watcher) -> None:
        self._client = client
        self._order = order
        self._watcher = watcher
        # A name of this process's own: events of one that was killed are not ours.
        self._topic = f"{run_id}-{os.urandom(4).hex()}"
        self._running: dict[str, list[str]] = {}  # task -> the trials that it has finished
        self._changed = threading.Condition()
        client.subscribe_topic(self._topic, self._heard)

    def facts(self) -> Mapping[str, Any]:
        if not self._client.scheduler_info()["workers"]:
            self._watcher.say("waiting for the first worker")
        future = self._submit(None, "survey")
        try:
            self._next([future])
            facts: Mapping[str, Any] = future.result()["facts"]
        finally:
            self._leave([future])
        return facts

    def results(self, orders: Sequence[UnitOrder]) -> Generator[UnitResult]:
        left = {self._submit(order, order.name): order for order in orders}
        try:
            while left:
                future = self._next(left)
                yield _result(future, left.pop(future))
        finally:
            self._leave(left)

    def _next(self, futures: Collection[Any]) -> Any:
        """Wait for one of some tasks to end, and return it."""
        with self._changed:
            while True:
                for future in futures:
                    if future.done():
                        return future
                if self._client.status not in _CONNECTED:
                    raise HarnessError("the Dask scheduler is gone; what came back before is kept")
                self._changed.wait(_POLL_S)

    def _submit(self, unit: UnitOrder | None, name: str) -> Any:
        order = order_for(self._order, unit, Slot())
        return self._client.submit(do_unit, order, self._topic, key=f"{self._topic}-{name}", pure=False)

    def _heard(self, stamped: tuple[float, Mapping[str, Any]]) -> None:
        event = stamped[1]
        key: str = event["key"]
        with self._changed:
            if "begins" in event:
                lost = self._running.pop(key, None)
                self._running[key] = []
                if lost is not None:
                    name = key.removeprefix(f"{self._topic}-")
                    self._watcher.say(f"a worker was lost: {name} goes again")
                    self._watcher.again(lost)
            elif "ends" in event:
                self._running.pop(key, None)
            elif "finished" in event and key in self._running:
                self._running[key].append(event["finished"][0])
            elif "again" in event and key in self._running:
                self._running[key].clear()
            self._changed.notify_all()
        pass_on(event, self._watcher)

    def _leave(self, futures: Collection[Any]) -> None:
        """Cancel what runs, and wait until the workers have cleared up after it."""
        left = [future for future in futures if not future.done()]
        if not left or self._client.status not in _CONNECTED:
            return
        self._client.cancel(left, force=True)
        keys = {future.key for future in left}
        with self._changed:
            self._changed.wait_for(lambda: not keys & self._running.keys(), _STOP_S)


def _result(future: Any, order: UnitOrder) -> UnitResult:
    if future.status != "finished":
        error = future.exception() if future.status == "error" else None
        reason = f"{type(error).__name__}: {error}" if error else f"the cluster says: {future.status}"
        return UnitResult(order, None, {}, {}, reason.splitlines()[0])
    answer = future.result()
    return UnitResult(order, answer["unit"], answer["facts"], answer["files"])


@contextmanager
def on_client(client: Any, order: GroundOrder, run_id: str, watcher: Watcher) -> Iterator[Jobs]:
    """Measure on the workers of a client's cluster."""
    yield _Dask(client, order, run_id, watcher)


@contextmanager
def dask_jobs(address: str, order: GroundOrder, run_id: str, watcher: Watcher) -> Iterator[Jobs]:
    """Measure on the workers of the scheduler at ``tcp://HOST:PORT``.

    Raises
    ------
    NotInstalled
        Without Dask.
    HarnessError
        When no scheduler answers there.
    """
    require_dask("distributed")
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said by us
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except OSError as error:
        raise HarnessError(
            f"no Dask scheduler answers at {address.removeprefix('tcp://')}: {error}"
        ) from None
    with client, on_client(client, order, run_id, watcher) as jobs:
        yield jobs
