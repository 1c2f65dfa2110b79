"""Whose turn it is to write, among the threads of a process.

A lock does not say who has it, so that an interrupt just after it was taken leaves it taken for ever. Here the taker's
token is put in place in one step, and whoever has the token can tell whether it was.
"""

from __future__ import annotations

import time
from typing import Final

__all__ = ["Turn"]

_WRITER: Final = "writer"
_POLL_S: Final = 0.001


class Turn:
    """One writer at a time, known by its token; any thread may give it back."""

    def __init__(self) -> None:
        self._holders: dict[str, object] = {}

    def take(self, token: object, timeout_s: float) -> bool:
        """Wait for it; return False when another one has it still."""
        until = time.monotonic() + timeout_s
        while self._holders.setdefault(_WRITER, token) is not token:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(left_s, _POLL_S))
        return True

    def is_of(self, token: object) -> bool:
        """Say whether the bearer of a token has it."""
        return self._holders.get(_WRITER) is token

    def give_back(self, token: object) -> None:
        """Let the next one write, if it is the bearer's."""
        if self.is_of(token):
            del self._holders[_WRITER]
