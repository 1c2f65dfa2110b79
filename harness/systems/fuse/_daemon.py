"""A mount that a child process serves: started, waited for, and ended, with nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from harness.errors import TrialFailed
from harness.leftovers import end_process, note_mount, note_process
from harness.procfs import is_mounted, start_ticks

__all__ = ["MountDaemon"]

_MOUNT_TIMEOUT_S: Final = 120.0
_STOP_TIMEOUT_S: Final = 30.0


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no output"
    return lines[-1] if lines else "no output"


class MountDaemon:
    """One foreground mount command and its mount point; `environment` is added to this process's."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        work: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._environment = {**os.environ, **(environment or {})}
        self._folder = folder
        self._work = work
        self._log = work / "daemon.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._ticks: int | None = None

    @property
    def pid(self) -> int | None:
        """The daemon's pid while it runs."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the command and wait until the folder is a mount.

        Raises
        ------
        TrialFailed
            When it ends before that, or takes too long; the message has its last line.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        note_mount(self._work, self._folder)
        command = self._command
        if helper := shutil.which("setpriv"):  # the daemon ends with the process that mounted it
            command = [helper, "--pdeathsig", "TERM", "--", *command]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        self._ticks = start_ticks(self._child.pid)
        note_process(self._work, self._child.pid)
        deadline = time.monotonic() + _MOUNT_TIMEOUT_S
        while not is_mounted(self._folder):
            if self._child.poll() is not None:
                raise TrialFailed(
                    f"{Path(self._command[0]).name} ended before it mounted: {_tail(self._log)}"
                )
            if time.monotonic() > deadline:
                self.stop()
                raise TrialFailed(f"no mount after {_MOUNT_TIMEOUT_S:.0f} s: {_tail(self._log)}")
            time.sleep(0.002)

    def stop(self) -> None:
        """Unmount and wait until the daemon is gone."""
        if self._child is None:
            return
        child, self._child = self._child, None
        child.terminate()
        try:
            child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            end_process(child.pid, self._ticks)
            child.wait(_STOP_TIMEOUT_S)
        if is_mounted(self._folder) and (helper := shutil.which("fusermount3")):
            subprocess.run(
                [helper, "-u", "-z", str(self._folder)], capture_output=True, check=False, timeout=30
            )
