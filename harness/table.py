"""The table that a local run ends with: whole where there is room, without intervals where there is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from harness.formats import (
    amplification,
    bound_text,
    count,
    interval_ratio,
    interval_seconds,
    label_text,
    range_seconds,
    ratio,
    seconds,
    work_text,
)
from harness.summary import Row, rows_of, table_of

__all__ = ["print_table"]

_ORDER: Final = {"cold": 0, "warm": 1}
_WIDE: Final = 140
_MIDDLE: Final = 95


def _n(row: Row) -> str:
    """Return the number of samples, marked where a warning stands below."""
    return f"{row.seconds.n if row.seconds else 0}{'!' if row.warnings else ''}"


_Column = tuple[str, Callable[[Row], str]]
_NARROW_COLUMNS: Final[Sequence[_Column]] = (
    ("seconds", lambda row: seconds(row.seconds)),
    ("x tmpfs", lambda row: ratio(row.ratio)),
    ("n", _n),
    ("requests", lambda row: count(row.requests)),
    ("fetched", amplification),
)
_MIDDLE_COLUMNS: Final[Sequence[_Column]] = (*_NARROW_COLUMNS, ("bound by", bound_text))
_WIDE_COLUMNS: Final[Sequence[_Column]] = (
    ("seconds [95 %]", lambda row: interval_seconds(row.seconds)),
    ("min–max", lambda row: range_seconds(row.seconds)),
    ("x tmpfs [95 %]", lambda row: interval_ratio(row.ratio)),
    ("x all", lambda row: ratio(row.total_ratio)),
    *_NARROW_COLUMNS[2:],
    ("bound by", bound_text),
    ("bytes", lambda row: row.verdict),
)
_TEXT: Final = ("bound by", "bytes", "label")


def _name(row: Row) -> str:
    return f"{row.case['system']} {row.case['config']}"


def _cells(row: Row, columns: Sequence[_Column]) -> list[str]:
    start = [_name(row), row.case["params"]["access"], row.state]
    if row.shown:
        return [*start, *(text(row) for _, text in columns), row.case["label"]]
    label = row.case["label"] if row.case["trials"] else row.case["status"].replace("_", " ")
    return [*start, *[""] * len(columns), label]


def print_table(cases: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print results, one table for each S3, kind of work and class of rows, with labels' reasons and warnings below."""
    rows = rows_of(cases)
    rows.sort(key=lambda row: (row.case["params"]["access"], _ORDER.get(row.state, 2)))
    for table in dict.fromkeys(map(table_of, cases)):
        _print_one([row for row in rows if table_of(row.case) == table], console)
    missing = {case["system"]: label_text(case) for case in cases if case["status"] == "not_installed"}
    for system, text in missing.items():
        _say(console, f"{system}: {text}")


def _print_one(rows: Sequence[Row], console: Console) -> None:
    first = rows[0].case
    title = (
        f"{first['suite']}: scale {first['scale']}, {first['dataset']['files']:,} files, "
        f"{first['dataset']['bytes'] / 2**20:,.0f} MiB; {work_text(first)}; S3 {first['params']['s3']}"
        f"{'; hinted: these systems were told the order' if first['hinted'] else ''}"
    )
    columns = _WIDE_COLUMNS
    if console.width < _WIDE:
        columns = _MIDDLE_COLUMNS if console.width >= _MIDDLE else _NARROW_COLUMNS
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("system", "access", "state"):  # where there is too little room, only the first is broken
        table.add_column(name, no_wrap=name != "system")
    for name in (*(name for name, _ in columns), "label"):
        table.add_column(name, justify="left" if name in _TEXT else "right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, columns))
    _say(console, title)
    console.print(table)
    _print_remarks(rows, console)


def _print_remarks(rows: Sequence[Row], console: Console) -> None:
    """Print each label's reasons once, with all that they hold of, and each row's warnings."""
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.case["label_reasons"] and row.case["status"] != "not_installed":
            reasons.setdefault(label_text(row.case), {})[f"{_name(row)} {row.case['params']['access']}"] = (
                None
            )
    for text, names in reasons.items():
        _say(console, f"{', '.join(names)}: {text}")
    for row in rows:
        if row.shown and row.warnings:
            _say(
                console,
                f"! {_name(row)} {row.case['params']['access']} {row.state}: {'; '.join(row.warnings)}",
            )


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
