"""The harness: plan, run, measure, judge, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.results import load_results

__all__ = ["HarnessError", "load_results"]


def __getattr__(name: str) -> object:
    """Import what reads results when it is asked for: a trial has no use for it."""
    if name == "load_results":
        from harness.results import load_results

        return load_results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
