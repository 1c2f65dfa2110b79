"""The table that a local run ends with: whole where there is room, without intervals where there is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from harness.formats import amplification, count, interval_ratio, interval_seconds, label_text, ratio, seconds
from harness.summary import Row, rows_of

__all__ = ["print_table"]

_ORDER: Final = {"cold": 0, "warm": 1}
_WIDE: Final = 140
_WIDE_HEAD: Final = (
    "seconds [95 %]", "x tmpfs [95 %]", "x tmpfs, all", "n", "requests", "fetched/needed", "bytes", "label",
)  # fmt: skip
_NARROW_HEAD: Final = ("seconds", "x tmpfs", "n", "requests", "fetched", "label")


def _name(row: Row) -> list[str]:
    case = row.case
    return [f"{case['system']} {case['config']}", case["params"]["access"], row.state]


def _wide(row: Row) -> list[str]:
    if not row.shown:
        return [*_name(row), *[""] * 6, row.verdict, label_text(row.case)]
    n = f"{_n(row)} ({row.noisy} noisy)" if row.noisy else _n(row)
    times = [interval_seconds(row.seconds), interval_ratio(row.ratio), ratio(row.total_ratio)]
    return [*_name(row), *times, n, count(row.requests), amplification(row), row.verdict, row.case["label"]]


def _narrow(row: Row) -> list[str]:
    if not row.shown:
        label = row.case["label"] if row.case["trials"] else row.case["status"].replace("_", " ")
        return [*_name(row), *[""] * 5, label]
    figures = [seconds(row.seconds), ratio(row.ratio), _n(row), count(row.requests), amplification(row)]
    return [*_name(row), *figures, row.case["label"]]


def _n(row: Row) -> str:
    return str(row.seconds.n if row.seconds else 0)


def print_table(cases: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the results of a run, the reasons of its labels below."""
    if not cases:
        console.print("no results")
        return
    first, wide = cases[0], console.width >= _WIDE
    title = (
        f"{first['suite']}: scale {first['scale']}, {first['dataset']['files']:,} files, "
        f"{first['dataset']['bytes'] / 2**20:,.0f} MiB, loader {first['params']['loader']}, S3 {first['params']['s3']}"
    )
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for name in ("system", "access", "state"):
        table.add_column(name, no_wrap=True)
    for name in _WIDE_HEAD if wide else _NARROW_HEAD:
        text = name in {"bytes", "label"}
        table.add_column(name, justify="left" if text else "right", no_wrap=not text)
    rows = rows_of(cases)
    rows.sort(key=lambda row: (row.case["params"]["access"], row.case["mode"], _ORDER.get(row.state, 2)))
    for row in rows:
        table.add_row(*(_wide(row) if wide else _narrow(row)))
    console.print(table)
    for case in cases:
        reserved = case["label_reasons"] and case["status"] != "not_installed"
        if reserved and not (wide and case["label"] == "INVALID"):
            name = f"{case['system']} {case['config']} {case['params']['access']}"
            console.print(f"{name}: {label_text(case)}", highlight=False, markup=False, soft_wrap=True)
