"""The command line: ``harness run fuse --config 19GiB``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from harness.campaign import Campaign
from harness.dataset.cli import app as dataset_app
from harness.errors import HarnessError, UsageError
from harness.home import find_home
from harness.loader import resolve_loader
from harness.plan import Options, Plan, build_plan
from harness.planning import print_plan
from harness.progress import RunProgress
from harness.results import load_cases
from harness.runs import RunFolder, open_run
from harness.s3.cli import app as s3_app
from harness.suite import load_suite, suite_names
from harness.systems.fuse import CONFIGS

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
    help="Plan, run, measure, judge and report the benchmarks of this repository.",
)  # fmt: skip

app.add_typer(dataset_app, name="dataset")
app.add_typer(s3_app, name="s3")

_INTERRUPTED = 130


def _split(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


SuiteName = Annotated[
    str, typer.Argument(help=f"A suite ({', '.join(suite_names())}) or a path ending in .toml.")
]
Config = Annotated[
    str | None, typer.Option(help=f"Comma list of {' '.join(CONFIGS)}; tmpfs runs in any case.")
]
Scale = Annotated[str | None, typer.Option(help="Fraction of the real size, like 1/32.")]
Rounds = Annotated[int | None, typer.Option(help="How often each case runs.")]
Judged = Annotated[bool, typer.Option("--judged", help="The scale and rounds that a verdict needs: 1/16, 7.")]
S3 = Annotated[str, typer.Option(help="sim, seaweedfs, or the URL of an endpoint (credentials from AWS_*).")]
Profile = Annotated[str, typer.Option(help="The simulated network: aws, aws-fast, none.")]
LoaderName = Annotated[str, typer.Option(help="auto, torch or pillow.")]
Data = Annotated[Path | None, typer.Option(help="The real train2017.zip, or a folder of images.")]
Access = Annotated[str | None, typer.Option(help="Comma list of random, serial.")]
Mode = Annotated[str | None, typer.Option(help="decode, or raw: read the bytes only.")]


@app.command("run", epilog="Example: harness run fuse --config 19GiB --rounds 3 --access random")
def run_suite(
    suite: SuiteName,
    config: Config = None,
    scale: Scale = None,
    rounds: Rounds = None,
    judged: Judged = False,
    s3: S3 = "sim",
    profile: Profile = "aws",
    loader: LoaderName = "auto",
    data: Data = None,
    access: Access = None,
    mode: Mode = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run; touch nothing.")] = False,
    resume: Annotated[str | None, typer.Option(help="Go on with a stopped run: its id, or last.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew (as without --resume).")] = False,
) -> None:
    """Run a suite and print its table. Results stay in results/local/<run id>/ until `harness publish`."""
    if resume and fresh:
        raise UsageError("--resume and --fresh exclude each other")
    home = find_home()
    folder = open_run(home, resume) if resume else None
    options = Options(
        configs=_split(config),
        scale=scale,
        rounds=rounds,
        judged=judged,
        s3=s3,
        profile=profile,
        loader=loader,
        data=data.absolute() if data else None,
        accesses=_split(access),
        mode=mode,
    )
    if folder:
        facts = folder.facts()  # a run goes on as it was begun
        options = replace(Options.from_json(facts["options"]), loader=facts["loader"])
    plan = _plan(suite, options, thorough=not dry_run)
    if dry_run:
        print_plan(plan, Console())
        return
    campaign = Campaign(plan, home, folder)
    console = Console(stderr=True)
    console.print(f"run {campaign.folder.run_id}: {campaign.total} trials", highlight=False)
    with _stoppable(), RunProgress(campaign.total, console) as progress:
        try:
            cases = campaign.run(progress)
        except KeyboardInterrupt:
            again = f"harness run {suite} --resume {campaign.folder.run_id}"
            progress.say(
                f"stopped; go on with: {again}"
                if campaign.folder.exists
                else "stopped before the first trial"
            )
            raise typer.Exit(_INTERRUPTED) from None
    _print_results(cases, campaign.folder)
    failed = [case for case in cases if case["status"] in {"failed", "timeout"}]
    if failed:
        raise HarnessError(
            f"{len(failed)} of {len(cases)} cases failed: {failed[0]['id']}: {failed[0]['reason']}"
        )


def _plan(suite: str, options: Options, *, thorough: bool) -> Plan:
    found = load_suite(suite)
    build_plan(found, options, options.loader)  # a wrong name is said before torch is looked for
    return build_plan(found, options, resolve_loader(options.loader, thorough=thorough))


@contextmanager
def _stoppable() -> Iterator[None]:
    """Make SIGTERM and SIGHUP stop a run as Ctrl-C does, so that nothing is left mounted."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in signals:  # once is enough: what follows is cleaning up
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_results(cases: Sequence[dict[str, object]], folder: RunFolder) -> None:
    from harness.table import print_table

    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "150"))
    console = Console(width=width)
    print_table(cases, console)
    console.print(f"publish with: harness publish {folder.run_id}", highlight=False)


@app.command(epilog="Example: harness plan fuse --judged")
def plan(
    suite: SuiteName,
    config: Config = None,
    scale: Scale = None,
    rounds: Rounds = None,
    judged: Judged = False,
    access: Access = None,
    loader: LoaderName = "auto",
) -> None:
    """Say what a suite would run; touch nothing."""
    options = Options(
        configs=_split(config),
        scale=scale,
        rounds=rounds,
        judged=judged,
        loader=loader,
        accesses=_split(access),
    )
    print_plan(_plan(suite, options, thorough=False), Console())


@app.command(epilog="Example: harness show --suite fuse --run last --json")
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
    if as_json:
        typer.echo(json.dumps([as_flat(row) for row in rows_of(cases)], indent=1))
        return
    from harness.table import print_table

    print_table(cases, Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "150"))))


@app.command(epilog="Example: harness publish last")
def publish(run: Annotated[str, typer.Argument(help="A run's id, or last.")]) -> None:
    """Scrub a run's results and move them to results/<suite>/<machine>/, to be committed."""
    from harness.publish import publish as publish_run

    home = find_home()
    written = publish_run(open_run(home, run), home)
    typer.echo(
        f"{len(written)} results in {written[0].parent.relative_to(home.folder)}; next: harness readme"
    )


@app.command(epilog="Example: harness readme --check")
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


@app.command(epilog="Example: harness doctor --json")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, alone on stdout.")] = False,
) -> None:
    """Say what this machine can run, what it lacks, and how to get it."""
    from harness.doctor import findings

    found = list(findings())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        for finding in found:
            typer.echo(f"{'ok     ' if finding.found else 'missing'}  {finding.name:20} {finding.detail}")
    if any(finding.needed and not finding.found for finding in found):
        raise typer.Exit(1)


@app.command(epilog="Example: harness scaling --repeats 3")
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


def main() -> None:
    """Run the command line: 2 for bad usage, 1 for failure, one line on stderr."""
    try:
        app(prog_name="harness")
    except HarnessError as error:
        typer.echo(f"harness: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
