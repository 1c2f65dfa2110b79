"""Say on stderr how far a long job is: a bar on a terminal, a line every quarter elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Report:
    """Progress of one job of `total` items; a context manager."""

    def __init__(
        self, what: str, total: int, *, enabled: bool = True, console: Console | None = None
    ) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._console = console if console is not None else Console(stderr=True)
        self._plain = enabled and not self._console.is_terminal
        self._start_s = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not enabled or self._plain,
        )
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        if self._plain:
            self._line(f"{self._what}: {self._total:,}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, count: int) -> None:
        """Report `count` more items done."""
        quarter_before = 4 * self._done // max(self._total, 1)
        self._done += count
        self._bar.advance(self._task, count)
        if self._plain and 4 * self._done // max(self._total, 1) > quarter_before:
            elapsed_s = time.monotonic() - self._start_s
            self._line(f"{self._what}: {self._done:,} of {self._total:,}, {elapsed_s:.0f} s")

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)
