"""The verbs about this machine: ``doctor``, ``scaling``, ``overhead``."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from harness.home import find_home
from harness.stopping import stoppable

__all__ = ["doctor", "overhead", "scaling"]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, alone on stdout.")] = False,
    suite: Annotated[str | None, typer.Option(help="Only what this suite needs.")] = None,
) -> None:
    """Say what this machine can run, what it lacks, and how to get it; exit 1 when something needed is missing."""
    from harness.doctor import findings

    found = list(findings(suite))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        width = max(len(finding.name) for finding in found)
        for finding in found:
            typer.echo(
                f"{'ok     ' if finding.found else 'missing'}  {finding.name:{width}}  {finding.detail}"
            )
    if any(finding.needed and not finding.found for finding in found):
        raise typer.Exit(1)


def scaling(
    repeats: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
) -> None:
    """Measure how pond grows with the number of files; exit 1 if a bound is missed. Takes about 10 minutes."""
    from harness.scaling import measure_scaling, save_measures

    home = find_home()
    measures = measure_scaling(home.cache, repeats, lambda text: typer.echo(text, err=True))
    save_measures(measures, home.runs / "scaling.json")
    for measure in measures:
        verdict = "ok    " if measure.holds else "MISSED"
        typer.echo(
            f"{verdict} {measure.name:48} {measure.value:8.3f} {measure.unit:2}  bound {measure.bound:g}"
        )
    if not all(measure.holds for measure in measures):
        raise typer.Exit(1)


def overhead(
    trials: Annotated[int, typer.Option(min=1, help="How many trials are run.")] = 5,
) -> None:
    """Measure what the harness costs a trial and a plan; exit 1 if a bound is missed. Takes half a minute."""
    from harness.overhead import BOUND_S, PLANNED, measure_overhead, measure_plan

    home = find_home()
    with stoppable():
        planning_s = measure_plan(home, 3)
        found = measure_overhead(home, trials, Console(stderr=True))
    trial_s = statistics.median(found) if len(found) == trials else float("inf")
    for name, seconds in (
        (f"plan of {PLANNED:,} cases", planning_s),
        ("a trial, beside its notebook's own work", trial_s),
    ):
        verdict = "ok    " if seconds <= BOUND_S else "MISSED"
        typer.echo(f"{verdict} {name:40} {seconds:6.2f} s  bound {BOUND_S:g}")
    if max(planning_s, trial_s) > BOUND_S:
        raise typer.Exit(1)
