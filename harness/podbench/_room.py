"""Whether this machine can hold a run, before it begins."""

from __future__ import annotations

import shutil
from typing import Final

import psutil

from harness.errors import HarnessError
from harness.home import Home
from harness.podbench._plan import Plan

__all__ = ["check_room", "memory_bytes"]

_GIB: Final = 1 << 30


def memory_bytes(plan: Plan) -> int:
    """Return the most memory that a trial of a plan needs."""
    return max(_needs(plan)[1])


def _needs(plan: Plan) -> tuple[list[int], list[int]]:
    found = [plan.workload_of(a).needs(plan.scale_of(a), plan.parameters_of(a)) for a in plan.workloads]
    return [disk for disk, _ in found], [memory for _, memory in found]


def check_room(plan: Plan, home: Home) -> None:
    """Refuse what disk or memory cannot hold; trials run one after another, so the largest workload counts.

    Raises
    ------
    HarnessError
        Naming the workload, what it needs and what is free.
    """
    home.runs.mkdir(parents=True, exist_ok=True)
    there = (shutil.disk_usage(home.runs).free, psutil.virtual_memory().available)
    for asked, *needed in zip(plan.workloads, *_needs(plan), strict=True):
        for what, wanted, free in zip(("disk", "memory"), needed, there, strict=True):
            if wanted > free:
                raise HarnessError(
                    f"{asked} at scale {plan.scale_of(asked):g} needs {wanted / _GIB:.1f} GiB of {what}, "
                    f"{free / _GIB:.1f} are free: give a smaller SCALE"
                )
