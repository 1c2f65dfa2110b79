"""How figures are written: the same in terminals and in README."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.statistics import Estimate
from harness.summary import Row

__all__ = [
    "amplification",
    "cache_text",
    "count",
    "interval_ratio",
    "label_text",
    "ratio",
    "seconds",
    "speedup",
]

NOTHING: Final = "–"
MIB: Final = 1 << 20


def seconds(value: Estimate | None) -> str:
    """Return ``12.3 s``."""
    return NOTHING if value is None else f"{value.median:.2f} s"


def ratio(value: Estimate | None) -> str:
    """Return ``1.07``."""
    return NOTHING if value is None else f"{value.median:.2f}"


def interval_ratio(value: Estimate | None) -> str:
    """Return ``1.07 [1.05, 1.11]``."""
    if value is None or value.low is None or value.high is None:
        return ratio(value)
    return f"{value.median:.2f} [{value.low:.2f}, {value.high:.2f}]"


def interval_seconds(value: Estimate | None) -> str:
    """Return ``12.34 [12.1, 12.6]``."""
    if value is None or value.low is None or value.high is None:
        return NOTHING if value is None else f"{value.median:.2f}"
    return f"{value.median:.2f} [{value.low:.2f}, {value.high:.2f}]"


def speedup(versus: Estimate | None) -> str:
    """Return the published table's speed-up in percent: the time saved of the baseline's."""
    return NOTHING if versus is None else f"{(1 - versus.median) * 100:.1f}%"


def count(value: float | None) -> str:
    """Return a whole number with separators."""
    return NOTHING if value is None else f"{value:,.0f}"


def amplification(row: Row) -> str:
    """Return bytes fetched over bytes needed."""
    return NOTHING if row.amplification is None else f"{row.amplification:.3f}"


def cache_text(case: Mapping[str, Any]) -> str:
    """Say what a case's cache is, its scaled size included."""
    limit = case["params"]["cache_bytes"]
    if case["system"] == "tmpfs":
        return "all files in memory"
    if limit is None:
        return "none" if case["config"] == "nocache" else case["config"]
    size = f"{limit / MIB:,.0f} MiB"
    page_cache = " + page cache" if case["params"]["page_cache"] else ""
    return f"{case['config'].partition('+')[0]} x {case['scale']} = {size}{page_cache}"


def label_text(case: Mapping[str, Any]) -> str:
    """Return the label with its reasons."""
    if case["status"] == "not_installed":
        return f"not installed: {case['reason']}"
    if not case["trials"]:
        return f"{case['status']}: {case['reason']}"
    reasons = "; ".join(case["label_reasons"])
    return f"{case['label']}: {reasons}" if reasons else str(case["label"])
