"""Names of a namespace that nobody may touch until a save has encoded what they lead to."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class Gate:
    """Keeps threads from names while it is closed, but for those that save.

    Parameters
    ----------
    names
        These names; None: all there are.
    waited
        Called with the seconds that a thread has waited, once it goes on.
    """

    def __init__(self, names: Collection[str] | None, waited: Callable[[float], None]) -> None:
        self._names: Collection[str] | None = names
        self._waited = waited
        self._changed = threading.Condition()
        self._saving = {threading.current_thread()}
        self._process = os.getpid()

    def enter(self) -> None:
        """Let the calling thread, which goes on with the save, touch any name, as the one that made the gate could."""
        self._saving = {threading.current_thread()}

    def leave(self, names: Collection[str] | None) -> None:
        """Keep threads from these names only, the calling thread among them."""
        self._saving = set()
        self._set(names)

    def open(self) -> None:
        """Let everybody go on."""
        self._set(())

    def _set(self, names: Collection[str] | None) -> None:
        with self._changed:
            self._names = names
            self._changed.notify_all()

    def wait(self, key: str | None) -> None:
        """Wait until a name may be touched; None: until all may be."""
        if not self._is_closed(key):
            return
        began = time.perf_counter()
        try:
            with self._changed:
                while self._is_closed(key):
                    self._changed.wait()
        finally:
            self._waited(time.perf_counter() - began)

    def _is_closed(self, key: str | None) -> bool:
        if threading.current_thread() in self._saving or os.getpid() != self._process:
            return False  # in a process that was forked meanwhile nobody would ever open it
        names = self._names
        return names is None or (bool(names) if key is None else key in names)
