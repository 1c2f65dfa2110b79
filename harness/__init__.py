"""The harness: plan, run, measure, judge, report."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.results import load_results

__all__ = ["HarnessError", "load_results"]
