"""The suites of stores of variables: each has its own results, rows, table and part of README."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from harness import podmicro
from harness.home import Home
from harness.podbench import report as podbench
from harness.runs import RunFolder

__all__ = ["STORE_SUITES", "StoreSuite"]

_Cases = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class StoreSuite:
    """What verbs need of a suite.

    Attributes
    ----------
    begin, end, render
        README's markers, and what stands between them.
    print_table
        Prints some results.
    flat_rows
        What ``harness show --json`` prints of them.
    publish_cases
        Puts a run's results, scrubbed already, into the repository's tree.
    """

    begin: str
    end: str
    render: Callable[[Home], str]
    print_table: Callable[[_Cases, Console], None]
    flat_rows: Callable[[_Cases], list[dict[str, object]]]
    publish_cases: Callable[[RunFolder, _Cases, Home], list[Path]]


STORE_SUITES: Final[Mapping[str, StoreSuite]] = {
    podmicro.SUITE: StoreSuite(
        podmicro.BEGIN,
        podmicro.END,
        podmicro.render,
        podmicro.print_table,
        lambda cases: [podmicro.as_flat(row) for row in podmicro.rows_of(cases)],
        podmicro.publish_cases,
    ),
    podbench.SUITE: StoreSuite(
        podbench.BEGIN,
        podbench.END,
        podbench.render,
        podbench.print_table,
        lambda cases: [
            podbench.as_flat(row) for row in podbench.rows_of(sorted(cases, key=podbench.place_of))
        ],
        podbench.publish_cases,
    ),
}
