"""What ``--dry-run`` and ``harness plan`` print."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from harness.plan import DATASET_BYTES, DATASET_FILES, Plan
from harness.systems.fuse import SYSTEMS

__all__ = ["print_plan"]


def print_plan(plan: Plan, console: Console) -> None:
    """Print the cases of a plan, and what they would take."""
    files, size = round(DATASET_FILES * plan.scale), DATASET_BYTES * plan.scale
    table = Table(
        title=f"{plan.suite.name}: {plan.rounds} rounds, scale {plan.scale_text}", title_justify="left"
    )
    for name in ("system", "config", "access", "mode", "installed"):
        table.add_column(name)
    for case in plan.cases:
        table.add_row(
            case.system, case.config, case.access, case.mode, SYSTEMS[case.system].how_to_get() or "yes"
        )
    console.print(table)
    for name in dict.fromkeys(case.system for case in plan.cases):
        if how := SYSTEMS[name].how_to_get():
            console.print(f"{name}: {how}", highlight=False, markup=False, soft_wrap=True)
    trials = plan.rounds * sum(SYSTEMS[case.system].how_to_get() is None for case in plan.cases)
    where = plan.s3 if "://" not in plan.s3 else "an endpoint of yours"
    console.print(
        f"{trials} trials of two epochs over {'your' if plan.options.data else 'about'} {files:,} files "
        f"({float(size) / 2**20:,.0f} MiB); loader {plan.loader}; S3 {where}"
        f"{f', profile {plan.profile}' if plan.profile else ''}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
