"""Work over many files in several processes; none of these outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_BATCH = 32
_WORTH_PROCESSES = 4 * _BATCH


def spread(
    work: Callable[[Sequence[_Item]], list[_Result]], items: Sequence[_Item], processes: int | None = None
) -> Iterator[list[_Result]]:
    """Yield what `work` returns for batches of `items`, in any order.

    `work` runs in `processes` processes (default: one for each CPU this process may use) and must be importable; a
    few items are worked on here.
    """
    batches = [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]
    count = processes if processes is not None else len(os.sched_getaffinity(0))
    if count <= 1 or len(items) < _WORTH_PROCESSES:
        yield from map(work, batches)
        return
    # Spawned, not forked: the parent may run threads (a progress bar, a notebook's event loop).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(count, len(batches)), context, initializer=_follow_parent) as pool:
        futures = [pool.submit(work, batch) for batch in batches]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when the parent ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
