"""What a trial may leave behind, written down before it exists: mounts, daemons, control groups.

A killed trial cannot clean up after itself. So each mount and each daemon is recorded in its work folder first, and
whoever comes next (the run itself, or whichever run measures next) clears what is recorded there and nothing else. A
record says which folder it is of: in a copy of that folder it counts for nothing, for the original may be alive.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from harness.cgroup import remove_cgroup
from harness.procfs import descendants, is_mounted, mount_points, start_ticks

__all__ = [
    "clear_tree",
    "end_process",
    "note_cgroup",
    "note_folder",
    "note_mount",
    "note_process",
    "remove_tree",
]

NAME: Final = "leftovers.jsonl"
_GRACE_S: Final = 10.0


def _note(work: Path, **entry: object) -> None:
    with (work / NAME).open("a") as file:
        file.write(json.dumps({"work": str(work.resolve()), **entry}) + "\n")
        file.flush()


def note_mount(work: Path, folder: Path) -> None:
    """Write down that `folder` is about to be a mount."""
    _note(work, mount=str(folder))


def note_process(work: Path, pid: int) -> None:
    """Write down that process `pid` was started."""
    _note(work, pid=pid, start_ticks=start_ticks(pid))


def note_cgroup(work: Path, folder: Path) -> None:
    """Write down that `folder` is a control group of this trial alone."""
    _note(work, cgroup=str(folder))


def note_folder(work: Path, folder: Path) -> None:
    """Write down a folder outside of the work folder, to be deleted."""
    _note(work, folder=str(folder))


def end_process(pid: int, ticks: int | None, grace_s: float = _GRACE_S) -> None:
    """End one process, and its descendants, if it still is the one that was meant."""
    if ticks is None or start_ticks(pid) != ticks:
        return
    family = [(child, start_ticks(child)) for child in descendants(pid)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for member, since in [(pid, ticks), *family]:
            if since is not None and start_ticks(member) == since:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, number)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            if all(
                since is None or start_ticks(member) != since for member, since in [(pid, ticks), *family]
            ):
                return
            time.sleep(0.02)


def _unmount(folder: Path) -> None:
    commands = [["umount", "-l", str(folder)]] if os.geteuid() == 0 else []
    if helper := shutil.which("fusermount3"):
        commands.append([helper, "-u", "-z", str(folder)])
    for command in commands:
        if is_mounted(folder):
            subprocess.run(command, capture_output=True, check=False, timeout=30)


def clear_tree(folder: Path) -> None:
    """End, unmount and delete what the records one and two levels below `folder` name, in this order.

    A work folder with a mount that will not go stays: deleting would reach into it.
    """
    # Never deeper than records lie: below them are the mounts, and looking into a dead one fails or hangs.
    records = [record for depth in ("*", "*/*") for record in sorted(folder.glob(f"{depth}/{NAME}"))]
    entries = [entry for record in records for entry in _entries(record)]
    for entry in entries:
        if "pid" in entry:
            end_process(int(str(entry["pid"])), _ticks(entry["start_ticks"]))
    for entry in entries:
        if "cgroup" in entry:
            remove_cgroup(Path(str(entry["cgroup"])))
    for entry in entries:
        if "mount" in entry:
            _unmount(Path(str(entry["mount"])))
    for entry in entries:
        if "folder" in entry:
            shutil.rmtree(str(entry["folder"]), ignore_errors=True)
    for record in records:
        remove_tree(record.parent)


def remove_tree(folder: Path) -> None:
    """Delete a folder, unless something is mounted below it: deleting would reach into that."""
    inside = folder.resolve()
    if not any(point.is_relative_to(inside) for point, _ in mount_points()):
        shutil.rmtree(folder, ignore_errors=True)


def _entries(record: Path) -> list[dict[str, object]]:
    found = []
    for line in record.read_text().splitlines():
        with contextlib.suppress(
            json.JSONDecodeError
        ):  # torn by a kill in mid-write: nothing was started yet
            found.append(json.loads(line))
    here = str(record.parent.resolve())
    return [entry for entry in found if entry.get("work", here) == here]


def _ticks(value: object) -> int | None:
    return value if isinstance(value, int) else None
