"""What a run says while it goes: a bar with an estimate on a terminal, plain lines elsewhere. All on stderr."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

__all__ = ["RunProgress"]


class RunProgress:
    """Counts trials. On a terminal one bar; else one line before and one after each trial."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._total = total
        self._done = 0
        self._begin = time.monotonic()
        self._measured = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                Remaining(compact=True),
                console=self._console,
            )

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def started(self, text: str) -> None:
        """Say which trial runs now."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text)
        else:
            self.say(f"[{self._done + 1}/{self._total}{self._eta()}] {text}")

    def finished(self, text: str) -> None:
        """Say what came of it."""
        self._measured += 1
        self.say(f"    {text}")
        self.skip(1)

    def repeat(self, trials: int) -> None:
        """Take back trials that will be done again."""
        self.skip(-trials)

    def skip(self, trials: int) -> None:
        """Count trials without saying anything: an earlier run has done them."""
        self._done += trials
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)

    def _eta(self) -> str:
        if not self._measured:
            return ""
        each = (time.monotonic() - self._begin) / self._measured
        left = each * (self._total - self._done)
        return f", {left / 60:.0f} min left" if left >= 90 else f", {left:.0f} s left"

    def __enter__(self) -> RunProgress:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
