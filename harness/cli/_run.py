"""The verbs that measure: ``run``, and ``plan`` that says what it would do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.console import Console

from harness.campaign import Campaign, Shard
from harness.cli._console import output
from harness.cli._options import Chosen, choosing
from harness.errors import HarnessError, UsageError
from harness.home import Home, find_home
from harness.jobs import JobsSpec, parse_jobs
from harness.loader import resolve_loader
from harness.overhead import overhead_line
from harness.plan import Options, Plan, build_plan
from harness.planning import forecasts, lines_of, planned_cases
from harness.progress import Remaining, RunProgress
from harness.resume import stopped_run
from harness.runs import RunFolder, named_run, new_run_id, open_run
from harness.stopping import INTERRUPTED, stoppable
from harness.suite import load_suite
from harness.wording import command

__all__ = ["plan", "run_suite"]


@choosing
def run_suite(
    chosen: Chosen,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run; touch nothing.")] = False,
    resume: Annotated[
        str | None, typer.Option(help="Go on with this run (its id, or last); --rounds may give it more.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, even if the same run was stopped before its end.")
    ] = False,
    run_id: Annotated[
        str | None,
        typer.Option(help="The run's name, new or not: what the shards of one run have in common."),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="i/n: only every n-th round of a group; needs --run-id.")
    ] = None,
    jobs: Annotated[
        str | None,
        typer.Option(help="Where: 1 (here), a number at once, dask://HOST:PORT, slurm or slurm:WORKERS."),
    ] = None,
) -> None:
    """Run a suite and print its table. Results stay in results/local/<run id>/ until `harness publish`.

    A run that was stopped, in whatever way, goes on when the same is asked for again.
    """
    home = find_home()
    where, part = parse_jobs(jobs), Shard.parse(shard) if shard else Shard()
    if sum((resume is not None, fresh, run_id is not None)) > 1:
        raise UsageError("--resume, --fresh and --run-id exclude each other")
    if shard and run_id is None:
        raise UsageError("--shard needs --run-id: the name that all shards of the run are given")
    folder = open_run(home, resume) if resume else named_run(home, run_id) if run_id else None
    if folder and resume:
        facts = folder.facts()  # a run goes on as it was begun
        begun = replace(Options.from_json(facts["options"]), loader=facts["loader"])
        rounds = chosen.options.rounds
        chosen = Chosen(chosen.suite, replace(begun, rounds=begun.rounds if rounds is None else rounds))
    plan = _plan(chosen, thorough=not dry_run)
    if dry_run:
        _print_plan(plan, home)
        return
    console = Console(stderr=True)
    if folder is None and not fresh and (folder := stopped_run(plan, home, where)):
        console.print(
            f"going on with run {folder.run_id}, which was stopped; --fresh begins anew", highlight=False
        )
    folder = folder or RunFolder(home.runs / new_run_id())
    _run(plan, home, folder, where, part, console)


def _run(plan: Plan, home: Home, folder: RunFolder, jobs: JobsSpec, shard: Shard, console: Console) -> None:
    campaign = Campaign(plan, home, folder, jobs, shard)
    console.print(f"run {folder.run_id}", highlight=False)
    with (
        stoppable(),
        RunProgress(console, Remaining(forecasts(plan, home), jobs.at_once or 1)) as progress,
    ):
        try:
            cases = campaign.run(progress)
        except KeyboardInterrupt:
            again = command(f"run {plan.suite.name} --resume {folder.run_id}")
            progress.say(
                f"stopped; go on with: {again}" if folder.exists else "stopped before the first trial"
            )
            raise typer.Exit(INTERRUPTED) from None
    _print_results(cases, folder)
    if line := overhead_line(folder):
        console.print(line, highlight=False)
    failed = [case for case in cases if case["status"] in {"failed", "timeout"}]
    if failed:
        raise HarnessError(
            f"{len(failed)} of {len(cases)} cases failed: {failed[0]['id']}: {failed[0]['reason']}"
        )


def _plan(chosen: Chosen, *, thorough: bool) -> Plan:
    found, options = load_suite(chosen.suite), chosen.options
    build_plan(found, options, options.loader)  # a wrong name is said before torch is looked for
    return build_plan(found, options, resolve_loader(options.loader, thorough=thorough))


def _print_results(cases: Sequence[dict[str, Any]], folder: RunFolder) -> None:
    from harness.table import print_table

    console = output()
    print_table(cases, console)
    if folder.complete():
        console.print(f"publish with: {command(f'publish {folder.run_id}')}", highlight=False, soft_wrap=True)
    else:
        console.print(
            f"a part of run {folder.run_id}; put the parts together with: {command('gather')}",
            highlight=False,
            soft_wrap=True,
        )


def _print_plan(plan: Plan, home: Home) -> None:
    for line in lines_of(plan, planned_cases(plan, home)):
        typer.echo(line)


@choosing
def plan(
    chosen: Chosen,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, alone on stdout.")] = False,
) -> None:
    """List a suite's cases: digest, what has a result, and what time, bytes and requests the rest takes."""
    built, home = _plan(chosen, thorough=False), find_home()
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in planned_cases(built, home)], indent=1))
    else:
        _print_plan(built, home)
