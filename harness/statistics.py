"""Medians, ratios of paired rounds, and a seeded bootstrap. A figure is the median of per-round ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = ["Estimate", "estimate", "paired_ratios"]

RESAMPLES: Final = 10_000
SEED: Final = 20_251_122
LEVEL: Final = 0.95

Pairing = tuple[str, int]
"""(run_id, round): only what shares both is compared."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median, its bootstrap 95 % interval (None for one sample), and the number of samples."""

    median: float
    low: float | None
    high: float | None
    n: int


def estimate(values: Sequence[float]) -> Estimate | None:
    """Return the median of some samples with its percentile-bootstrap interval; None without samples.

    The generator is seeded, so equal samples give an equal interval.
    """
    if not values:
        return None
    data = np.asarray(values, dtype=np.float64)
    if len(data) == 1:
        return Estimate(float(data[0]), None, None, 1)
    drawn = np.random.default_rng(SEED).integers(0, len(data), (RESAMPLES, len(data)))
    medians = np.median(data[drawn], axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(medians, (tail, 1 - tail))
    return Estimate(float(np.median(data)), float(low), float(high), len(data))


def paired_ratios(above: Mapping[Pairing, float], below: Mapping[Pairing, float]) -> list[float]:
    """Return the ratios of two systems' times, one for each run and round that both have."""
    return [above[pair] / below[pair] for pair in sorted(above.keys() & below.keys()) if below[pair] > 0]
