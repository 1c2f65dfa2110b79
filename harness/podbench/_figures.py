"""What one trial measured, as the tables show it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

__all__ = ["blocked_s", "median_load_s", "was_cold"]

Trial = Mapping[str, Any]


def blocked_s(trial: Trial) -> float:
    """Return how long the user waited for a save, on the average, by the published definition.

    All waits at locks and all calls of save, the wait for the last save included, over their number: one more than cells.
    """
    dumps = [dump["time_s"] for dump in trial["samples"]["dumps"]]
    waits: float = sum(trial["samples"]["lock_times"]) + sum(dumps)
    return waits / len(dumps)


def median_load_s(trial: Trial, state: str = "warm") -> float | None:
    """Return the median time of the loads, `warm` or `cold`; None without any, and of cold ones that may not have been cold."""
    times = [load["time_s"] for load in trial[state]["loads"]]
    return statistics.median(times) if times and (state == "warm" or was_cold(trial)) else None


def was_cold(trial: Trial) -> bool:
    """Say whether the store was shown to be out of the page cache before the cold loads."""
    return bool(trial["cold"]["page_cache"]["reset"])
