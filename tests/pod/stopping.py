"""A podding that stops a save which encodes in a thread, so that a test may look at what is locked meanwhile."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from pod.podding import BUNDLE

__all__ = ["Slow", "Stopping"]

_WAIT_S: Final = 60


class Stopping:
    """Cuts nothing; a thread that begins the pod of a list of seven items stops there until `go` is set."""

    apart_least: Final = 0
    objects: Final = False

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()

    def fresh(self) -> Stopping:
        return self

    def start(self) -> None:
        """A save begins."""

    def begin(self, root: Any, depth: int) -> None:
        if type(root) is list and len(root) == 7 and threading.current_thread().name == "pod-save":
            self.reached.set()
            assert self.go.wait(_WAIT_S)

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        return BUNDLE


class Slow(Stopping):
    """Lets other threads run at every container that a thread encodes, and tells that there was one."""

    encoded = False

    def begin(self, root: Any, depth: int) -> None:
        if threading.current_thread().name == "pod-save":
            self.encoded = True
            time.sleep(0)

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        self.begin(value, depth)
        return BUNDLE
