"""``harness pod-micro``: measure pod against pickle and dill."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer
from rich.console import Console

from harness.errors import HarnessError
from harness.home import find_home
from harness.podmicro._campaign import make_plan, plan_of, run_plan
from harness.podmicro._table import print_table
from harness.podmicro._workloads import WORKLOADS
from harness.runs import open_run
from harness.systems.pod import MICRO
from harness.wording import command, counted

__all__ = ["pod_micro"]

_WIDE = (220, 24)


def _names(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def pod_micro(
    only: Annotated[str | None, typer.Option(help=f"Comma list of sessions: {' '.join(WORKLOADS)}.")] = None,
    systems: Annotated[str | None, typer.Option(help=f"Comma list of {' '.join(MICRO)}.")] = None,
    rounds: Annotated[int, typer.Option(help="How often each runs; figures with fewer than 7 are OPEN.")] = 7,
    scale: Annotated[float, typer.Option(help="Share of the full size, in (0, 1].")] = 1.0,
    resume: Annotated[
        str | None, typer.Option(help="Go on with a run that was stopped; what it was asked for stands.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run; touch nothing.")] = False,
) -> None:
    """Measure pod against pickle and dill: every row of its speed table (about an hour at full size)."""
    begun = open_run(find_home(), resume, any_kind=True) if resume else None
    plan = plan_of(begun) if begun else make_plan(_names(only), _names(systems), rounds, scale)
    if dry_run:
        for workload, system in plan.pairs:
            typer.echo(
                f"{workload:12} {system:12} {counted(plan.rounds, 'round')}  {WORKLOADS[workload].about}"
            )
        return
    run, cases = run_plan(plan, find_home(), lambda text: typer.echo(text, err=True), begun)
    print_table(cases, Console(width=shutil.get_terminal_size(_WIDE).columns))
    typer.echo(f"publish with: {command(f'publish {run.run_id}')}")
    bad = [case for case in cases if case["status"] in {"failed", "timeout"} or case["verdict"]["wrong"]]
    if bad:
        raise HarnessError(
            f"{len(bad)} of {len(cases)} cases failed: {bad[0]['id']}: {'; '.join(bad[0]['label_reasons'])}"
        )
