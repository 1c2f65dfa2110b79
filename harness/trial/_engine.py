"""A papermill engine that runs a notebook's cells in papermill's own process, which is the trial's.

papermill's usual engine starts a Jupyter kernel: a second interpreter, five sockets, threads that stay awake beside the
timed epochs, and fixed waits at its start and its end. A trial has a fresh process already, so its cells run there, in
IPython's shell, which is what a kernel runs them in, too: magics, values and tracebacks are the same. What a cell prints
goes to this process's own output as well, so that a trial that is ended half-way has said what it had to say.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output
from nbformat.v4 import new_output
from papermill.engines import Engine
from traitlets.config import Config

__all__ = ["InProcessEngine"]

_new_output: Final[Callable[..., Any]] = new_output  # nbformat has no types


class _Shell(InteractiveShell):
    """IPython without a terminal: the traceback of a failed cell is kept, not printed."""

    shown: list[str]

    def _showtraceback(self, etype: object, evalue: object, stb: list[str]) -> None:
        self.shown = stb


class _Told(io.TextIOBase):
    """Text that is kept, and told to another stream at once."""

    def __init__(self, kept: TextIO, other: TextIO | None) -> None:
        self._kept = kept
        self._other = other

    def write(self, text: str, /) -> int:
        if self._other is not None:
            self._other.write(text)
            self._other.flush()
        return self._kept.write(text)


class InProcessEngine(Engine):  # type: ignore[misc]  # papermill has no types
    """Runs cells in this process, until one fails."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, *_: Any, **__: Any) -> None:
        """Run each cell, and tell `nb_man` before and after it."""
        # Nothing of the user's: neither history nor profile.
        config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
        shell = _Shell.instance(config=config, ipython_dir=str(Path.cwd() / "ipython"))
        for index, cell in enumerate(nb_man.nb.cells):
            nb_man.cell_start(cell, index)
            error = _run(shell, cell) if cell.cell_type == "code" else None
            if error is not None:
                nb_man.cell_exception(cell, index, exception=error)
            nb_man.cell_complete(cell, index)
            if error is not None:
                break


def _run(shell: Any, cell: Any) -> BaseException | None:
    """Run one cell, put into it what it said, and return what it raised."""
    hook, shell.shown = shell.display_trap.hook, []
    with capture_output() as said:  # puts both streams back at its end
        sys.stdout, sys.stderr = _Told(sys.stdout, sys.__stdout__), _Told(sys.stderr, sys.__stderr__)
        shell.display_trap.hook = sys.displayhook  # a cell's last value is said, too
        result = shell.run_cell(cell.source, store_history=True)  # counted, as in a kernel
    shell.display_trap.hook = hook
    cell.execution_count = result.execution_count
    cell.outputs = _outputs(said)
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    if error is not None:
        name, value = type(error).__name__, str(error)
        cell.outputs.append(_new_output("error", ename=name, evalue=value, traceback=shell.shown))
    return error


def _outputs(said: CapturedIO) -> list[Any]:
    streams = {"stdout": said.stdout, "stderr": said.stderr}
    return [
        *(_new_output("stream", name=name, text=text) for name, text in streams.items() if text),
        *(_new_output("display_data", data=one.data, metadata=one.metadata) for one in said.outputs),
    ]
