"""Renewing a lock that expires, for as long as somebody writes."""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Renewal"]


class Renewal:
    """A thread that renews a lock until it is told to stop, or the lock is another's.

    Parameters
    ----------
    renew
        Returns False when the lock is lost; a `PodError` of its is no reason to stop, for the server may be back in time.
    every_s
        How often.
    """

    def __init__(self, renew: Callable[[], bool], every_s: float) -> None:
        self._renew = renew
        self._every_s = every_s
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="pod-lock", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            with suppress(PodError):
                if not self._renew():
                    return

    def stop(self) -> None:
        """Return when the thread has ended: a process with a thread less may fork."""
        self._stopped.set()
        self._thread.join()
