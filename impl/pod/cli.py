"""`pod`, the command line. This release knows its version and says what is to come."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

_ABOUT = """Versions of Python variables: save a session, load it back at any time.

This release has no store yet: saving, loading, log, diff, verify and gc come with a later one.

Example: pod --version
"""

app = typer.Typer(add_completion=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pod {version('pond-pod-bench')}")
        raise typer.Exit


@app.command(help=_ABOUT)
def _pod(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    typer.echo(context.get_help())


def main() -> None:
    """Run `pod` with the arguments of this process."""
    app(prog_name="pod")
