"""The harness's end of a session, and images of it."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from harness.durable import sync_tree
from harness.errors import HarnessError
from harness.systems.pod._picklers import Session as Main
from harness.systems.pod.criu._program import run
from harness.systems.pod.criu._session import take

__all__ = ["Session", "restored"]

_SESSION: Final = Path(__file__).with_name("_session.py")
_OWN_NUMBERS: Final = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
_POLL_S: Final = 0.0005
_LIMIT_S: Final = 600.0


class Session:
    """A running session, whose requests and answers are files in a folder; cells run in this process's current folder.

    Parameters
    ----------
    folder
        Absolute, empty, and its own: images are restored there, too.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = 0
        command = [sys.executable, str(_SESSION), str(folder)]
        if helper := shutil.which("setpriv"):  # it ends with the trial, even if that is killed
            command = [helper, "--pdeathsig", "KILL", "--", *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.ask({})

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer; what a cell raised there is raised here."""
        number = self._number
        self._number += 1
        _write(self._folder / f"request-{number}", request)
        return _awaited(self._folder / f"answer-{number}", lambda: self._process.poll() is not None)

    def image(self, images: Path, parent: Path | None = None, *, tracks: bool = False) -> int:
        """Take the process's image, durably, and let it go on; return what `restored` needs.

        Parameters
        ----------
        parent
            Keep only the pages that changed since this image.
        tracks
            Whether this image can be such a parent.
        """
        images.mkdir()
        arguments = ["dump", "-t", str(self._process.pid), "--leave-running"]
        if parent is not None:
            arguments += ["--prev-images-dir", os.path.relpath(parent, images)]
        if tracks:
            arguments.append("--track-mem")
        run(arguments, images)
        sync_tree(images)
        waits_for = self._number
        self.ask({})  # from here on it waits for another request than its image does
        return waits_for

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def restored(images: Path, folder: Path, waits_for: int, names: list[str] | None) -> dict[str, Any]:
    """Restore an image, and return the variables that it is asked for, with what their functions read."""

    asked, given = folder / f"restore-{waits_for}", folder / f"given-{waits_for}"
    _write(asked, {"names": names, "without": []})
    try:
        run(["restore"], images, before=_OWN_NUMBERS)
        data: bytes = _awaited(given, lambda: True)["given"]
    finally:
        asked.unlink()
        given.unlink(missing_ok=True)
    main = Main(restores=True)
    namespace = main.namespace()
    with main.as_main():
        take(data, namespace)
    return namespace


def _write(path: Path, value: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    part.rename(path)


def _awaited(path: Path, has_ended: Callable[[], bool]) -> dict[str, Any]:
    """Wait for an answer; who is to give it may have ended only after it did."""
    limit = time.monotonic() + _LIMIT_S
    while not path.exists():
        if has_ended() and not path.exists():
            raise HarnessError("the session that CRIU takes images of has ended without an answer")
        if time.monotonic() > limit:
            raise HarnessError(f"the session that CRIU takes images of gave no answer within {_LIMIT_S:g} s")
        time.sleep(_POLL_S)
    found: dict[str, Any] = pickle.loads(path.read_bytes())  # noqa: S301  (our own session wrote it)
    path.unlink()
    if "error" in found:
        raise HarnessError(found["error"].strip())
    return found
