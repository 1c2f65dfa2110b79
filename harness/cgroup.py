"""A trial's control groups: its memory bounded, its processors fixed, and none of its processes out of sight.

v1 has one tree a controller; a new group goes below the caller's own. v2 has one tree, in which a group with processes
may not have children with controllers; a new group goes below the nearest ancestor that hands them down. Where neither
is permitted (no root, no delegation) there is no group, and the trial runs without.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Cgroup", "Hierarchy", "cgroup_folders", "hierarchies", "make_cgroup", "remove_cgroup"]

_PROC: Final = Path("/proc/self")
_MEMBERS: Final = "cgroup.procs"
_END_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One tree of groups.

    Attributes
    ----------
    version
        1 or 2.
    controllers
        What it can bound, as far as we use it: ``memory``, ``cpuset``.
    folder
        The group below which new ones go.
    """

    version: int
    controllers: frozenset[str]
    folder: Path


_USED: Final = frozenset({"memory", "cpuset"})


def hierarchies(proc: Path = _PROC) -> list[Hierarchy]:
    """Return the trees that offer memory or cpuset to this process; `proc` is its folder below ``/proc``."""
    try:
        own = _own_groups((proc / "cgroup").read_text())
        mounts = (proc / "mountinfo").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in mounts:
        left, _, right = line.partition(" - ")
        root, mounted = left.split()[3:5]
        kind, _, options = right.split()[:3]
        if kind == "cgroup":
            controllers = _USED & set(options.split(","))
            for controller in sorted(controllers):
                folder = _folder(Path(mounted), root, own.get(controller, "/"))
                found.append(Hierarchy(1, controllers, folder))
                break
        elif kind == "cgroup2":
            folder = _folder(Path(mounted), root, own.get("", "/"))
            found += _handing_down(folder, Path(mounted))
    return found


def _own_groups(text: str) -> dict[str, str]:
    """Return controller -> path of this process's group; v2's under the empty name."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _folder(mounted: Path, root: str, path: str) -> Path:
    inside = os.path.relpath(path, root)
    folder = mounted if inside.startswith("..") else mounted / inside
    return folder if folder.is_dir() else mounted


def _handing_down(folder: Path, mounted: Path) -> Iterator[Hierarchy]:
    for group in (folder, *folder.parents):
        if not group.is_relative_to(mounted):
            return
        with contextlib.suppress(OSError):
            if controllers := _USED & set((group / "cgroup.subtree_control").read_text().split()):
                yield Hierarchy(2, controllers, group)
                return


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A group made for one trial: one folder, or with v1 one for each controller."""

    version: int
    folders: tuple[Path, ...]
    memory_limit_bytes: int | None
    cpus: tuple[int, ...] | None

    @property
    def joins(self) -> tuple[str, ...]:
        """The files to which a process writes 0 to become a member."""
        return tuple(str(folder / _MEMBERS) for folder in self.folders)

    def memory_peak_bytes(self) -> int | None:
        """Return the most memory that the members held at once, page cache included; None where nobody counts."""
        for folder in self.folders:
            for name in ("memory.peak", "memory.max_usage_in_bytes"):
                with contextlib.suppress(OSError, ValueError):
                    return int((folder / name).read_text())
        return None

    def oom_kills(self) -> int:
        """Return how many members the kernel ended because the memory limit was reached."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    if match := re.search(r"^oom_kill (\d+)$", (folder / name).read_text(), re.MULTILINE):
                        return int(match[1])
        return 0

    def as_json(self) -> dict[str, object]:
        """Return the form that a unit holds, without paths."""
        return {
            "version": self.version,
            "memory_limit_bytes": self.memory_limit_bytes,
            "memory_peak_bytes": self.memory_peak_bytes(),
            "cpus": list(self.cpus) if self.cpus else None,
        }

    def remove(self) -> None:
        """End all members and delete the group."""
        for folder in self.folders:
            remove_cgroup(folder)


def cgroup_folders(name: str, proc: Path = _PROC) -> list[Path]:
    """Return the folders that `make_cgroup` would make, so that they can be written down before they are there."""
    return [tree.folder / name for tree in hierarchies(proc)]


def make_cgroup(
    name: str, memory_bytes: int | None, cpus: Collection[int], proc: Path = _PROC
) -> Cgroup | None:
    """Make a group; what the machine does not permit is left out, and None returned when nothing is left."""
    version, folders = 0, []
    limit, bound = None, None
    for tree in hierarchies(proc):
        folder = tree.folder / name
        try:
            folder.mkdir()
        except OSError:
            continue
        memory = "memory" in tree.controllers and _bound_memory(folder, memory_bytes)
        cpuset = "cpuset" in tree.controllers and _bound_cpus(folder, tree.folder, cpus)
        if (
            tree.version == 1 and "cpuset" in tree.controllers and not cpuset
        ):  # takes no process without its cpus
            remove_cgroup(folder)
            continue
        version = tree.version
        folders.append(folder)
        limit = memory_bytes if memory else limit
        bound = tuple(sorted(cpus)) if cpuset else bound
    return Cgroup(version, tuple(folders), limit, bound) if folders else None


def _bound_memory(folder: Path, memory_bytes: int | None) -> bool:
    if memory_bytes is None:
        return False
    if (folder / "memory.max").exists():
        limit, swap, swap_bytes = folder / "memory.max", folder / "memory.swap.max", 0
    else:
        limit, swap = folder / "memory.limit_in_bytes", folder / "memory.memsw.limit_in_bytes"
        swap_bytes = memory_bytes
    try:
        limit.write_text(f"{memory_bytes}\n")
        if swap.exists():
            swap.write_text(f"{swap_bytes}\n")
    except OSError:
        return False
    return True


def _bound_cpus(folder: Path, parent: Path, cpus: Collection[int]) -> bool:
    try:
        if (mems := folder / "cpuset.mems").exists() and not mems.read_text().strip():
            names = ("cpuset.effective_mems", "cpuset.mems.effective", "cpuset.mems")
            inherited = [(parent / name).read_text() for name in names if (parent / name).exists()]
            mems.write_text(next((text for text in inherited if text.strip()), "0"))
        (folder / "cpuset.cpus").write_text(",".join(map(str, sorted(cpus))) + "\n")
    except OSError:
        return False
    return True


def remove_cgroup(folder: Path) -> None:
    """End the members of a group that we made, and delete it."""
    deadline = time.monotonic() + _END_S
    while folder.is_dir():
        with contextlib.suppress(OSError):
            for pid in (folder / _MEMBERS).read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        try:
            folder.rmdir()
        except OSError:  # busy until the last member is reaped
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
