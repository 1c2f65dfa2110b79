"""``harness pod-bench`` and ``harness pod-bench-exp2``: the published experiments on stores of variables."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from harness.errors import HarnessError, UsageError
from harness.home import Home, find_home
from harness.podbench._campaign import Campaign, request_of, required_failures
from harness.podbench._expstat import export_expstat
from harness.podbench._plan import Plan, Request, make_plan, tree_workloads, typed_names
from harness.podbench._results import is_ours, is_wrong
from harness.podbench._table import print_table
from harness.podworkloads import TIMEOUT_S, WORKLOADS
from harness.progress import RunProgress
from harness.runs import open_run
from harness.stopping import INTERRUPTED, stoppable
from harness.wording import command, counted

__all__ = ["expstat", "pod_bench", "pod_bench_exp2"]

_WIDE: Final = (220, 24)
_MOST_SAID: Final = 8

_Rounds = Annotated[int, typer.Option(help="How often each case runs; figures with fewer than 5 are OPEN.")]
_Scale = Annotated[
    str | None,
    typer.Option(help="Share of the published sizes, like 1/32; each workload's own when left out."),
]
_Fidelity = Annotated[
    str, typer.Option(help="fixed; or paper: with the published system's handicaps and mistakes.")
]
_Require = Annotated[
    str | None, typer.Option(help="Comma list of systems, or all: one that is missing is a failure.")
]
_Timeout = Annotated[
    float, typer.Option("--timeout", help="Seconds after which a trial, or a reference run, is ended.")
]
_Resume = Annotated[
    str | None, typer.Option(help="Go on with a run that was stopped; what it was asked for stands.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would run; touch nothing.")]


def pod_bench(
    sut: Annotated[str, typer.Option(help="Comma list of systems, or all; a wrong name lists them.")] = "pga",
    nb: Annotated[
        str | None,
        typer.Option(
            help=f"Comma list of workloads ({' '.join(WORKLOADS)}), each with [exc], [n=K], rmtree also with "
            "[tc=K][tv=K][tl=K][tml=K][tme=K]; all when left out."
        ),
    ] = None,
    rounds: _Rounds = 1,
    scale: _Scale = None,
    fidelity: _Fidelity = "fixed",
    notebook: Annotated[
        str | None, typer.Option(help="Anyone's notebook (.ipynb) in the place of the workloads.")
    ] = None,
    nbdata: Annotated[
        str | None, typer.Option(help="The folder of the unzipped published data, instead of made ones.")
    ] = None,
    require: _Require = None,
    timeout_s: _Timeout = TIMEOUT_S,
    resume: _Resume = None,
    dry_run: _DryRun = False,
) -> None:
    """Run workloads on stores of variables: a save after each cell, then a load of each version, compared."""
    request = Request(
        systems=sut, workloads=nb, rounds=rounds, scale=scale, fidelity=fidelity,
        notebook=_absolute(notebook), data=_absolute(nbdata), require=require, timeout_s=timeout_s,
    )  # fmt: skip
    _run(request, resume, dry_run=dry_run)


def pod_bench_exp2(
    suts: Annotated[str, typer.Option(help="Comma list of systems, or all.")] = "pga",
    tc: Annotated[str, typer.Option(help="Cells: numbers by comma.")] = "10",
    tv: Annotated[str, typer.Option(help="Variables, each a list.")] = "1e2",
    tl: Annotated[str, typer.Option(help="Elements of 100 bytes in a list.")] = "1e3",
    tml: Annotated[
        str, typer.Option(help="Percent of the lists that a cell changes; 0,10,…,100 counts on.")
    ] = "10",
    tme: Annotated[str, typer.Option(help="Percent of the elements that it changes in each.")] = "100",
    rounds: _Rounds = 1,
    fidelity: _Fidelity = "fixed",
    require: _Require = None,
    timeout_s: _Timeout = TIMEOUT_S,
    resume: _Resume = None,
    dry_run: _DryRun = False,
) -> None:
    """Run the synthetic tree on stores of variables, once for each setting; helpers' names are not saved ([exc])."""
    request = Request(
        systems=suts, workloads=tree_workloads(tc, tv, tl, tml, tme), rounds=rounds, fidelity=fidelity,
        require=require, timeout_s=timeout_s,
    )  # fmt: skip
    _run(request, resume, dry_run=dry_run)


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).absolute())


def _run(request: Request, resume: str | None, *, dry_run: bool) -> None:
    home = find_home()
    begun = open_run(home, resume, any_kind=True) if resume else None
    plan = make_plan(request_of(begun) if begun else request)
    if dry_run:
        _say_plan(plan)
        return
    _check_writable(home)
    campaign = Campaign(plan, home, begun)
    console = Console(stderr=True)
    console.print(
        f"run {campaign.run_folder.run_id}: {_said(plan)}", highlight=False, markup=False, soft_wrap=True
    )
    with stoppable(), RunProgress(console) as progress:
        try:
            cases = campaign.run(progress)
        except KeyboardInterrupt:
            again = command(f"pod-bench --resume {campaign.run_folder.run_id}")
            progress.say(
                f"stopped; go on with: {again}"
                if campaign.run_folder.exists
                else "stopped before the first trial"
            )
            raise typer.Exit(INTERRUPTED) from None
    print_table(cases, Console(width=shutil.get_terminal_size(_WIDE).columns))
    typer.echo(
        f"run {campaign.run_folder.run_id}; publish with: {command(f'publish {campaign.run_folder.run_id}')}"
    )
    _fail(plan, cases)


def _fail(plan: Plan, cases: list[dict[str, Any]]) -> None:
    """Raise what makes the command a failure: no figure, wrong loads of our own, or a required system that is missing."""
    problems = [f"required {text}" for text in required_failures(plan, cases)]
    for case in cases:
        if case["status"] in {"failed", "timeout"}:
            problems.append(f"{case['id']}: {case['reason']}")
        elif is_wrong(case) and is_ours(case["options"]) and plan.fidelity == "fixed":
            problems.append(f"{case['id']}: {'; '.join(case['label_reasons'])}")
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise HarnessError(problems[0] + more)


def _said(plan: Plan) -> str:
    workloads = [f"{asked} at scale {plan.scale_of(asked):g}" for asked in plan.workloads]
    if len(workloads) > _MOST_SAID:
        workloads = [workloads[0], f"... ({len(workloads)} workloads)"]
    systems = (
        [*plan.systems]
        if len(plan.systems) <= _MOST_SAID
        else [plan.systems[0], f"... ({len(plan.systems)} systems)"]
    )
    return f"{', '.join(systems)} on {', '.join(workloads)}; rounds {plan.rounds}, fidelity {plan.fidelity}"


def _say_plan(plan: Plan) -> None:
    for case in plan.cases:
        about = plan.workload_of(case.asked).about
        typer.echo(
            f"{case.system:16} {case.asked!s:50} scale {plan.scale_of(case.asked):<8g} {counted(plan.rounds, 'round')}  {about}"
        )
    typer.echo(f"{counted(len(plan.cases) * plan.rounds, 'run')}: {_said(plan)}")


def _check_writable(home: Home) -> None:
    try:
        home.runs.mkdir(parents=True, exist_ok=True)
        home.cache.mkdir(parents=True, exist_ok=True)
        (home.runs / ".writable").touch()
        (home.runs / ".writable").unlink()
    except OSError as error:
        raise HarnessError(
            f"{error.filename} cannot be written: {error.strerror}; HARNESS_HOME names another folder"
        ) from None


def expstat(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or last.")],
    into: Annotated[
        Path, typer.Option("-o", "--output", help="The folder for exp1_<system>_<workload>/expstat.json.")
    ],
) -> None:
    """Write a run of pod-bench as the published harness keeps one: exp1_<system>_<workload>/expstat.json."""
    folder = open_run(find_home(), run, any_kind=True)
    typed = typed_names(request_of(folder))
    try:
        written = export_expstat(folder.cases(), into, typed)
    except OSError as error:
        raise HarnessError(f"{error.filename or into} cannot be written: {error.strerror}") from None
    if not written:
        raise UsageError(f"run {run} has no trial that gave a figure")
    typer.echo(f"{counted(len(written), 'file')} in {into}")
