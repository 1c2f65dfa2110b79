"""What a case will cost: time, bytes and S3's price, by a result of the same case at any scale, else by a rough model.

The model knows nothing of a system but how its data lies in S3. It counts the decoder's CPU, one request a file (two
where a file is an object of its own: it is also looked up), the network's first byte and bandwidth, and leaves out
all that systems do differently. Its figures are marked.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from harness.identity import spec_of_result
from harness.plan import DATASET_BYTES, DATASET_FILES, DEFAULT_PROFILE
from harness.s3 import PROFILES, S3Counters
from harness.spec import CaseSpec
from harness.systems.fuse import SYSTEMS

__all__ = ["Forecast", "Forecaster"]

_EPOCHS: Final = 2
_DECODE_S: Final = 0.005  # of one core, for one file
_READ_S: Final = 0.0003
_TRIAL_S: Final = {"torch": 7.5, "pillow": 3.5}  # processes, imports, mount, clearing up
_LISTED: Final = 1000


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one trial takes: seconds, bytes from S3, and US dollars at S3's list price for its requests."""

    seconds: float
    bytes: float
    usd: float
    measured: bool


class Forecaster:
    """Forecasts from the results that are there."""

    def __init__(self, results: Iterable[Mapping[str, Any]]) -> None:
        self._known: dict[object, tuple[int, Forecast]] = {}
        for result in results:
            known = (int(result["dataset"]["files"]), _measured(result))
            self._known.setdefault(_any_scale(spec_of_result(result)), known)

    def of(self, case: CaseSpec) -> Forecast:
        """Return what a trial of a case will take."""
        files = DATASET_FILES * Fraction(case.scale)
        known = self._known.get(_any_scale(case))
        if known is None:
            return _modelled(case, float(files))
        share, there = float(files / known[0]), known[1]
        seconds = _TRIAL_S[case.loader] + (there.seconds - _TRIAL_S[case.loader]) * share
        return Forecast(max(seconds, 0.0), there.bytes * share, there.usd * share, measured=True)


def _any_scale(case: CaseSpec) -> object:
    return (
        case.system, case.config, case.access, case.mode, case.loader,
        case.batch_size, case.workers, case.image_px, case.s3,
    )  # fmt: skip


def _measured(result: Mapping[str, Any]) -> Forecast:
    def total(trial: Mapping[str, Any], of: str, name: str) -> float:
        return sum(float((epoch[of] or {}).get(name, 0.0)) for epoch in trial["epochs"])

    def median(of: str, name: str) -> float:
        return statistics.median(total(trial, of, name) for trial in result["trials"])

    measured_s = median("samples", "total_s") + median("samples", "mount_s") + median("samples", "listing_s")
    fixed_s = _TRIAL_S[result["params"]["loader"]]
    return Forecast(fixed_s + measured_s, median("s3", "bytes"), median("s3", "usd"), measured=True)


def _modelled(case: CaseSpec, files: float) -> Forecast:
    layout = SYSTEMS[case.system].layout
    cpus = min(case.workers, len(os.sched_getaffinity(0)))
    epoch_s = files * (_READ_S + (_DECODE_S if case.mode == "decode" else 0.0)) / cpus
    fixed_s = _TRIAL_S[case.loader]
    if layout == "none":
        return Forecast(fixed_s + _EPOCHS * epoch_s, 0.0, 0.0, measured=False)
    network = PROFILES[case.profile or DEFAULT_PROFILE]
    rate = network.connection_bytes_per_s
    wire_s = network.get_s + (DATASET_BYTES / DATASET_FILES / rate if rate else 0.0)
    asked = S3Counters(get=round(_EPOCHS * files))
    if layout == "objects":
        wire_s += network.head_s
        asked = S3Counters(
            get=round(_EPOCHS * files), head=round(_EPOCHS * files), list=round(_EPOCHS * files / _LISTED)
        )
    seconds = fixed_s + _EPOCHS * (epoch_s + files * wire_s / case.workers)
    return Forecast(seconds, _EPOCHS * files * DATASET_BYTES / DATASET_FILES, asked.usd, measured=False)
