"""How quiet this machine is: a fixed piece of work, done over and over, takes how much longer now and then?"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import Final

from harness.procfs import cpu_totals

__all__ = ["Noise", "spin"]

_PIECE: Final = 20_000
_SLOW: Final = 0.95


@dataclass(frozen=True, slots=True)
class Noise:
    """What a spin test found.

    Attributes
    ----------
    spread
        How much longer than the median the 95th percentile took; 0.02 is 2 %.
    other_share
        Share of all processors' time that others used meanwhile.
    steal_share
        Share that a hypervisor gave to other machines.
    """

    spread: float
    other_share: float
    steal_share: float


def spin(seconds: float = 1.0) -> Noise:
    """Work for some seconds on one processor and measure how even that goes."""
    cpus = os.sched_getaffinity(0)
    before, begin, used = cpu_totals(cpus), time.perf_counter(), time.process_time()
    taken: list[float] = []
    while (now := time.perf_counter()) - begin < seconds:
        total = 0
        for number in range(_PIECE):
            total += number
        taken.append(time.perf_counter() - now)
    after, elapsed, own = cpu_totals(cpus), time.perf_counter() - begin, time.process_time() - used
    capacity = elapsed * len(cpus)
    median = statistics.median(taken)
    slow = sorted(taken)[int(_SLOW * (len(taken) - 1))]
    return Noise(
        spread=slow / median - 1,
        other_share=max(0.0, (after.busy_s - before.busy_s - own) / capacity),
        steal_share=(after.steal_s - before.steal_s) / capacity,
    )
