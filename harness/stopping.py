"""Stopping as Ctrl-C does it: whatever asks a run to end, it unmounts and ends its children first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

__all__ = ["INTERRUPTED", "stoppable"]

INTERRUPTED: Final = 130
"""The exit code of a command that was stopped."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt in the block, as SIGINT does; only the first one counts."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in signals:  # once is enough: what follows is cleaning up
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
