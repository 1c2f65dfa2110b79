"""The table that a local run ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.formats import amplification, count, interval_ratio, interval_seconds, label_text, ratio
from harness.summary import Row, rows_of

__all__ = ["print_table"]

_ORDER = {"cold": 0, "warm": 1}


def _line(row: Row) -> list[str]:
    case = row.case
    name = [case["system"], case["config"], case["params"]["access"], row.state]
    if not row.shown:
        return [*name, *[""] * 6, row.verdict, label_text(case)]
    noisy = f"{row.seconds.n if row.seconds else 0}{f' ({row.noisy} noisy)' if row.noisy else ''}"
    figures = [
        interval_seconds(row.seconds),
        interval_ratio(row.ratio),
        ratio(row.total_ratio),
        noisy,
        count(row.requests),
        amplification(row),
    ]
    return [*name, *figures, row.verdict, case["label"]]


def print_table(cases: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the results of a run, the reasons of its labels below."""
    if not cases:
        console.print("no results")
        return
    first = cases[0]
    title = (
        f"{first['suite']}: scale {first['scale']}, {first['dataset']['files']:,} files, "
        f"{first['dataset']['bytes'] / 2**20:,.0f} MiB, loader {first['params']['loader']}, S3 {first['params']['s3']}"
    )
    table = Table(title=title, title_justify="left", caption_justify="left")
    for name in ("system", "config", "access", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("seconds [95 %]", "x tmpfs [95 %]", "x tmpfs, all", "n", "requests", "fetched/needed"):
        table.add_column(name, justify="right")
    table.add_column("bytes")
    table.add_column("label")
    rows = rows_of(cases)
    rows.sort(key=lambda row: (row.case["params"]["access"], row.case["mode"], _ORDER.get(row.state, 2)))
    for row in rows:
        table.add_row(*_line(row))
    console.print(table)
    for case in cases:
        if case["label_reasons"] and case["label"] != "INVALID" and case["status"] != "not_installed":
            name = f"{case['system']} {case['config']} {case['params']['access']}"
            console.print(f"{name}: {label_text(case)}", highlight=False, markup=False)
