"""How figures are written: the same in terminals and in README."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.spec import STANDARD
from harness.statistics import Estimate
from harness.summary import Row

__all__ = [
    "amplification",
    "bound_text",
    "cache_text",
    "count",
    "interval_ratio",
    "interval_seconds",
    "label_text",
    "pairs_text",
    "range_seconds",
    "ratio",
    "seconds",
    "speedup",
    "work_text",
]

NOTHING: Final = "–"
MIB: Final = 1 << 20


def _s(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.1f}"


def seconds(value: Estimate | None) -> str:
    """Return ``12.34 s``."""
    return NOTHING if value is None else f"{_s(value.median)} s"


def ratio(value: Estimate | None) -> str:
    """Return ``1.07``."""
    return NOTHING if value is None else f"{value.median:.2f}"


def interval_ratio(value: Estimate | None) -> str:
    """Return ``1.07 [1.05, 1.11]``."""
    if value is None or value.low is None or value.high is None:
        return ratio(value)
    return f"{value.median:.2f} [{value.low:.2f}, {value.high:.2f}]"


def pairs_text(value: Estimate | None, n: int) -> str:
    """Return `` (n=3)`` where a ratio rests on another number of pairs than the `n` of its row, else nothing."""
    return "" if value is None or value.n == n else f" (n={value.n})"


def interval_seconds(value: Estimate | None) -> str:
    """Return ``12.34 [12.10, 12.61]``."""
    if value is None or value.low is None or value.high is None:
        return NOTHING if value is None else _s(value.median)
    return f"{_s(value.median)} [{_s(value.low)}, {_s(value.high)}]"


def range_seconds(value: Estimate | None) -> str:
    """Return the smallest and the largest sample: ``12.10–12.61``."""
    return NOTHING if value is None or value.n < 2 else f"{_s(value.minimum)}–{_s(value.maximum)}"


def bound_text(row: Row) -> str:
    """Return what limits a row and that limit's share of its time: ``s3-latency 51%``."""
    if row.bound is None or row.bound.share is None:
        return NOTHING
    return f"{row.bound.by} {row.bound.share:.0%}"


def speedup(versus: Estimate | None) -> str:
    """Return the published table's speed-up in percent: the time saved of the baseline's."""
    return NOTHING if versus is None else f"{(1 - versus.median) * 100:.1f}%"


def count(value: float | None) -> str:
    """Return a whole number with separators."""
    return NOTHING if value is None else f"{value:,.0f}"


def amplification(row: Row) -> str:
    """Return bytes fetched over bytes needed."""
    return NOTHING if row.amplification is None else f"{row.amplification:.3f}"


def work_text(case: Mapping[str, Any]) -> str:
    """Return what is done with the files, the access pattern apart: ``decode, 4 workers, torch's DataLoader``."""
    params = case["params"]
    loader = "torch's DataLoader" if params["loader"] == "torch" else "the Pillow pipeline (no torch)"
    others = [f", {name} {params[name]}" for name, usual in STANDARD.items() if params[name] != usual]
    unusual = "".join(text for text in others if not text.startswith(", workers "))
    return f"{case['mode']}, {params['workers']} workers{unusual}, {loader}"


def cache_text(case: Mapping[str, Any]) -> str:
    """Say what a case's cache is, its scaled size included."""
    limit = case["params"]["cache_bytes"]
    if case["params"].get("ceiling"):
        return "all files in memory"
    base, _, extra = case["config"].partition("+")
    tuned = ", tuned" if extra == "tuned" else ""
    if limit is None:
        return f"{'none' if base == 'nocache' else base}{tuned}"
    page_cache = " + page cache" if case["params"]["page_cache"] else ""
    return f"{base} x {case['scale']} = {limit / MIB:,.0f} MiB{page_cache}{tuned}"


def label_text(case: Mapping[str, Any]) -> str:
    """Return the label with its reasons."""
    if case["status"] == "not_installed":
        return f"not installed: {case['reason']}"
    if not case["trials"]:
        return f"{case['status']}: {case['reason']}"
    reasons = "; ".join(case["label_reasons"])
    return f"{case['label']}: {reasons}" if reasons else str(case["label"])
