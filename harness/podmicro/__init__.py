"""The suite `pod-micro`: what a save and a load cost, against pickle and dill, each version compared with the oracle."""

from __future__ import annotations

from harness.podmicro._campaign import Plan, make_plan, run_plan
from harness.podmicro._results import SUITE, as_flat, publish_cases, rows_of
from harness.podmicro._table import BEGIN, END, print_table, render

__all__ = [
    "BEGIN",
    "END",
    "SUITE",
    "Plan",
    "as_flat",
    "make_plan",
    "print_table",
    "publish_cases",
    "render",
    "rows_of",
    "run_plan",
]
