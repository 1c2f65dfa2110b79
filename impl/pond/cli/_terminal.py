"""How all commands answer."""

import json
from collections.abc import Callable
from datetime import datetime

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["errors", "print_json", "progress", "when"]

errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_json(value: object) -> None:
    """Print what a script reads."""
    typer.echo(json.dumps(value, indent=2))


def when(time_ns: int) -> str:
    """Return a time as people here write it."""
    return datetime.fromtimestamp(time_ns / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S")


class progress:  # noqa: N801  (reads as a function in a with statement)
    """A progress bar over files and bytes on standard error; silent where that is no terminal."""

    def __init__(self, title: str, count: int, size_bytes: int) -> None:
        self._bar = Progress(
            TextColumn(title),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TextColumn("{task.fields[done]}/" + str(count)),
            TimeRemainingColumn(),
            console=errors,
            disable=not errors.is_terminal,
        )
        self._task = self._bar.add_task(title, total=size_bytes, done=0)
        self._done = 0

    def __enter__(self) -> Callable[[int, int], None]:
        self._bar.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _tell(self, count: int, size_bytes: int) -> None:
        self._done += count
        self._bar.update(self._task, advance=size_bytes, done=self._done)
