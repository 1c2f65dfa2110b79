"""The verbs about results: ``show``, ``gather``, ``publish``, ``readme``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli._console import output
from harness.errors import UsageError
from harness.home import find_home
from harness.results import load_cases
from harness.runs import open_run
from harness.storesuites import STORE_SUITES
from harness.suite import suite_names
from harness.wording import command, counted

__all__ = ["gather", "publish", "readme", "show"]

_WIDE = 220


def show(
    suite: Annotated[str, typer.Option(help="The suite's name.")] = "fuse",
    run: Annotated[
        str | None, typer.Option(help="A run on this machine (its id, or last); else what is published.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of flat objects, alone on stdout.")] = False,
) -> None:
    """Show results: what is published, or a run on this machine."""
    from harness.summary import as_flat, rows_of

    cases = load_cases(suite, find_home(), run)
    if not cases and not as_json:
        typer.echo(f"run {run} has no results yet" if run else _unpublished(suite))
        return
    if stores := STORE_SUITES.get(suite):
        if as_json:
            typer.echo(json.dumps(stores.flat_rows(cases), indent=1))
        else:
            stores.print_table(cases, output(_WIDE))
        return
    if as_json:
        typer.echo(json.dumps([as_flat(row) for row in rows_of(cases)], indent=1))
        return
    from harness.table import print_table

    print_table(cases, output())


def _unpublished(suite: str) -> str:
    known = [*suite_names(), *STORE_SUITES]
    if suite not in known:
        raise UsageError(f"nothing is published of a suite {suite!r}; there are: {', '.join(known)}")
    verb = suite if suite in STORE_SUITES else f"run {suite}"
    return f"nothing of suite {suite!r} is published; to change that: {command(verb)}, then {command('publish last')}"


def gather(
    run: Annotated[str, typer.Argument(help="The run's id, as --run-id gave it to all its shards.")],
    folders: Annotated[
        list[Path], typer.Argument(help="The shards' folders: results/local/<run id> of other machines.")
    ],
) -> None:
    """Put the shards of one run together in results/local/<run id>; what differs or collides is refused."""
    from harness.gather import gather as gather_run

    gathered = gather_run(find_home(), run, folders)
    typer.echo(
        f"{counted(gathered.new, 'unit')} from {counted(len(folders), 'folder')}, "
        f"{gathered.total} of {gathered.planned} there; "
        + (
            f"next: {command(f'show --suite {gathered.suite} --run {run}')}"
            if gathered.total == gathered.planned
            else f"what is missing: {command(f'run {gathered.suite} --resume {run}')}"
        )
    )


def publish(run: Annotated[str, typer.Argument(help="A run's id, or last.")]) -> None:
    """Scrub a run's results and move them to results/<suite>/<machine>/, to be committed."""
    from harness.publish import publish as publish_run

    home = find_home()
    written = publish_run(open_run(home, run, any_kind=True), home)
    typer.echo(
        f"{counted(len(written), 'result')} in {written[0].parent.relative_to(home.folder)}; next: {command('readme')}"
    )


def readme(
    check: Annotated[bool, typer.Option("--check", help="Fail when README is not up to date.")] = False,
) -> None:
    """Write the published results into README.md, between its markers."""
    from harness.readme import check_readme, write_readme

    home = find_home()
    if check:
        check_readme(home)
        typer.echo("README is what the published results render to")
        return
    typer.echo("README written" if write_readme(home) else "README was up to date")
