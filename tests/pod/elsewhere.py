"""Another process that loads versions and sends back what they hold; each load in a fork of its own.

Messages are pickles on stdin and stdout: ``(folder, tid, names)`` there, a portrait or a traceback back.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from harness.oracle import Portrait, portray
from tests.pod.notebook import child_environment

__all__ = ["Elsewhere"]


class Elsewhere:
    """The other process, as seen from here."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pod.elsewhere"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(PYTHONHASHSEED="7"),
        )

    def portrait(self, folder: Path, tid: int, names: Sequence[str] | None) -> Portrait:
        """Return what the other process loads; its error, if any, becomes an AssertionError."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        pickle.dump((str(folder), tid, names), to)
        to.flush()
        answer: Portrait | str = pickle.load(back)
        assert isinstance(answer, Portrait), answer
        return answer

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)


def _loaded(request: tuple[str, int, list[str] | None]) -> Any:
    import pod

    folder, tid, names = request
    try:
        with pod.open(folder, create=False) as store:
            return portray(store.load(tid, names=names))
    except Exception:  # noqa: BLE001 - the caller shows it
        return traceback.format_exc()


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    import pandas  # noqa: F401  # once, not in each fork

    while True:
        try:
            request = pickle.load(requests)
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            answers.write(pickle.dumps(_loaded(request)))
            answers.flush()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
