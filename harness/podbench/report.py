"""What other parts of the harness ask of the suite: rows, tables, README's part, publishing."""

from __future__ import annotations

from harness.podbench._results import SUITE, publish_cases
from harness.podbench._rows import as_flat, place_of, rows_of
from harness.podbench._table import BEGIN, END, print_table, render

__all__ = [
    "BEGIN",
    "END",
    "SUITE",
    "as_flat",
    "place_of",
    "print_table",
    "publish_cases",
    "render",
    "rows_of",
]
