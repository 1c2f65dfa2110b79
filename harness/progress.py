"""What a run says while it goes: on a terminal a bar with the case, an estimate and the last figure; elsewhere lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

__all__ = ["Remaining", "RunProgress", "duration"]

_LAST_WIDTH = 60


def duration(seconds: float) -> str:
    """Return ``2 h 05 min``, ``12 min`` or ``40 s``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


class Remaining:
    """Trials still to do, and how long they will take: by their own earlier rounds, else as forecast, else by all."""

    def __init__(self, forecast: Mapping[str, float] | None = None, at_once: int = 1) -> None:
        self._forecast = forecast or {}
        self._at_once = at_once
        self._todo: Counter[str] = Counter()
        self._taken: dict[str, list[float]] = {}

    def add(self, cases: Sequence[str]) -> None:
        """Count trials, one for each name given."""
        self._todo.update(cases)

    def took(self, case: str, seconds: float) -> None:
        """Count one trial off."""
        self._todo[case] = max(0, self._todo[case] - 1)
        self._taken.setdefault(case, []).append(seconds)

    def seconds(self) -> float | None:
        """Return the time left; None while nothing is known."""
        known = {case: _mean(taken) for case, taken in self._taken.items()}
        expected = {**self._forecast, **known}
        if not expected:
            return None
        other = _mean(list((known or expected).values()))
        left = sum(count * expected.get(case, other) for case, count in self._todo.items())
        return left / self._at_once


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class RunProgress:
    """Counts trials. On a terminal one bar; else one line before and one after each trial."""

    def __init__(self, console: Console | None = None, remaining: Remaining | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._remaining = remaining or Remaining()
        self._total = 0
        self._done = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                TextColumn("{task.fields[last]}", style="dim"),
                console=self._console,
            )

    def expect(self, todo: Sequence[str], done: int) -> None:
        """Say which trials will run, and how many an earlier process has done."""
        self._remaining.add(todo)
        self._done, self._total = done, done + len(todo)
        self._show()

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def started(self, text: str) -> None:
        """Say which trial runs now."""
        if self._bar is None:
            left = self._left()
            self.say(f"[{self._done + 1}/{self._total}{f', {left}' if left else ''}] {text}")
        self._show(description=text)

    def finished(self, case: str, seconds: float, text: str) -> None:
        """Say what came of a trial."""
        self._remaining.took(case, seconds)
        self._done += 1
        self.say(f"    {text}")
        self._show(last=f"last: {text}"[:_LAST_WIDTH])

    def again(self, cases: Sequence[str]) -> None:
        """Take back trials that will be done again."""
        self._remaining.add(cases)
        self._done -= len(cases)
        self._show()

    def _left(self) -> str:
        left = self._remaining.seconds()
        return "" if left is None else f"{duration(left)} left"

    def _show(self, description: str | None = None, **fields: object) -> None:
        if self._bar is None or self._task is None:
            return
        left = self._left()
        self._bar.update(self._task, total=self._total, completed=self._done, description=description)
        self._bar.tasks[self._task].fields.update(fields, left=left)

    def __enter__(self) -> RunProgress:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=None, left="", last="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
