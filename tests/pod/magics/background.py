"""A library that calls a function of the user's in a thread, when it is told to, and that keeps an object of the user's."""

from __future__ import annotations

import threading
from collections.abc import Callable

_go = threading.Event()
_threads: list[threading.Thread] = []
held: dict[str, object] = {}


def later(function: Callable[[], object]) -> None:
    """Call a function in another thread, once `go` was called."""
    _go.clear()

    def run() -> None:
        _go.wait(60)
        function()

    _threads.append(threading.Thread(target=run))
    _threads[-1].start()


def go() -> None:
    """Let the functions run, and wait until they have."""
    _go.set()
    while _threads:
        _threads.pop().join(60)


def hold(value: object) -> None:
    """Keep an object of the user's, as `h`."""
    held["h"] = value
