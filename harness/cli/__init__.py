"""The command line: ``harness run fuse --config 19GiB``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import typer

from harness.cli._compare import compare
from harness.cli._machine import doctor, overhead, scaling
from harness.cli._results import gather, publish, readme, show
from harness.cli._run import plan, run_suite
from harness.dataset.cli import app as dataset_app
from harness.errors import HarnessError
from harness.podbench.cli import expstat, pod_bench, pod_bench_exp2
from harness.podmicro.cli import pod_micro
from harness.s3.cli import app as s3_app
from harness.stopping import INTERRUPTED
from harness.wording import command, program

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
    help="Plan, run, measure, judge and report the benchmarks of this repository.",
)  # fmt: skip

# Verb -> what it does, and an example of it.
_VERBS: Final[dict[str, tuple[Callable[..., None], str]]] = {
    "run": (run_suite, "run fuse --config 19GiB --rounds 3 --access random"),
    "plan": (plan, "plan fuse --judged"),
    "show": (show, "show --suite fuse --run last --json"),
    "compare": (compare, "compare pond/19GiB mountpoint/nocache"),
    "pod-micro": (pod_micro, "pod-micro --only lists,names --rounds 3"),
    "pod-bench": (pod_bench, "pod-bench --sut snp,pga --nb 'skltweet,rmtree[tml=50]' --rounds 3"),
    "pod-bench-exp2": (
        pod_bench_exp2,
        "pod-bench-exp2 --suts dill,pga --tc 10 --tv 1e2 --tl 1e3 --tml 0,10,…,100 --tme 100",
    ),
    "gather": (gather, "gather my-run /mnt/other/results/local/my-run"),
    "publish": (publish, "publish last"),
    "readme": (readme, "readme --check"),
    "doctor": (doctor, "doctor --suite fuse-peers"),
    "scaling": (scaling, "scaling --repeats 3"),
    "overhead": (overhead, "overhead --trials 5"),
}
for _name, (_verb, _example) in _VERBS.items():
    app.command(_name, epilog=f"Example: {command(_example)}")(_verb)
export_app = typer.Typer(no_args_is_help=True, help="Write results in other harnesses' layouts.")
export_app.command("expstat", epilog=f"Example: {command('export expstat last -o result')}")(expstat)
app.add_typer(export_app, name="export")
app.add_typer(dataset_app, name="dataset")
app.add_typer(s3_app, name="s3")


def main() -> None:
    """Run the command line: 2 for bad usage, 1 for failure, one line on stderr."""
    try:
        app(prog_name=program())
    except HarnessError as error:
        typer.echo(f"harness: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
