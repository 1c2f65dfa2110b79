"""The verb ``compare``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harness.cli._console import output
from harness.home import find_home

__all__ = ["compare"]

_SIDE = "A run (id or last), published, a machine, a commit, system/config, or some of these joined with @."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; the verdict is B's.")],
    suite: Annotated[str | None, typer.Option(help="Look at this suite alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of flat objects, alone on stdout.")] = False,
) -> None:
    """Say whether B is faster or slower than A, or cannot be told apart; never on one sample."""
    from harness.compare import as_flat, print_comparisons
    from harness.compare import compare as compare_sides

    found = compare_sides(a, b, find_home(), suite)
    if as_json:
        typer.echo(json.dumps([as_flat(comparison) for comparison in found], indent=1))
        return
    print_comparisons(a, b, found, output())
