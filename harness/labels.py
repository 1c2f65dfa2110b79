"""What a result may be used for.

INVALID  its bytes were not verified or were wrong, cold was not proved, or a cache held more than its limit; never shown
OPEN     a figure with a reservation; shown with the reason
CLOSED   none of these
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

__all__ = ["Label", "LabelContext", "label_of"]

Label = Literal["CLOSED", "OPEN", "INVALID"]
# A cache's own bookkeeping may round up by one entry of at most 1 MiB a worker.
_SLACK_BYTES: Final = 4 << 20
_COLD_SHARE: Final = 0.9
# Each worker has two batches under way when the first one arrives.
_BATCHES_EACH: Final = 5


@dataclass(frozen=True, slots=True)
class LabelContext:
    """What the label depends on beside the trials."""

    case: Mapping[str, Any]
    minimum_repeats: int
    rounds: int


def label_of(context: LabelContext) -> tuple[Label, list[str]]:
    """Return the label of a case and all reasons for it."""
    case = context.case
    if case["status"] == "not_installed":
        return "OPEN", ["not installed"]
    trials: Sequence[Mapping[str, Any]] = case["trials"]
    if not trials:
        return "INVALID", [f"no trial gave a figure: {case['reason'] or case['status']}"]
    if reasons := list(dict.fromkeys(_invalid(case, trials))):
        return "INVALID", reasons
    reasons = list(dict.fromkeys(_open(context, trials)))
    return ("OPEN", reasons) if reasons else ("CLOSED", [])


def _invalid(case: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    limit = case["params"]["cache_bytes"]
    for trial in trials:
        for epoch in trial["epochs"]:
            verdict, s3 = epoch["verdict"], epoch["s3"]
            if not verdict["checked"]:
                found.append("bytes not verified")
            elif not verdict["ok"]:
                found.append(f"{verdict['wrong']} of {verdict['checked']} files read wrong")
            if epoch["state"] == "cold" and s3 is not None and not case["params"]["ceiling"]:
                found += _cold(s3, case["dataset"]["bytes"])
            held = epoch["samples"].get("system.cache_bytes")
            if limit is not None and held is not None and held > limit + _SLACK_BYTES:
                found.append("cache over its limit")
    return found


def _cold(s3: Mapping[str, float], needed: int) -> list[str]:
    if not s3["get"]:
        return ["cold not proved: no GET reached the server"]
    if s3["bytes"] < _COLD_SHARE * needed:  # equal files may be stored once
        return ["cold not proved: fewer bytes fetched than read"]
    return []


def _open(context: LabelContext, trials: Sequence[Mapping[str, Any]]) -> list[str]:
    case = context.case
    params = case["params"]
    found = []
    if len(trials) < context.minimum_repeats:
        found.append(f"n = {len(trials)} < {context.minimum_repeats}")
    if len(trials) < context.rounds:
        found.append(f"{context.rounds - len(trials)} of {context.rounds} trials gave no figure")
    batches = math.ceil(case["dataset"]["files"] / params["batch_size"])
    if batches < _BATCHES_EACH * params["workers"]:
        found.append(f"{batches} batches: too many of them are under way before the clock starts")
    if params["loader"] != "torch":
        found.append(f"loader {params['loader']}, not torch")
    if any(not trial.get("cpus") for trial in trials):
        found.append("free affinity")
    if noisy := sum(bool(trial.get("noisy")) for trial in trials):
        found.append(f"other processes in {noisy} of {len(trials)} rounds")
    epochs = [epoch for trial in trials for epoch in trial["epochs"]]
    dropped = [e for e in epochs if e["state"] == "cold" or params["ceiling"] or not params["page_cache"]]
    if any(not epoch["cache_state"].get("page_cache", {}).get("reset") for epoch in dropped):
        found.append("page cache not dropped (needs root)")
    if not params["ceiling"]:
        found += _cache_reservations(case, epochs)
    return found


def _cache_reservations(case: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> list[str]:
    params, dataset = case["params"], case["dataset"]
    found = []
    if any(epoch["s3"] is None for epoch in epochs):
        found.append("requests not counted")
    if params["page_cache"]:
        found.append("page cache not bounded")
    elif any(epoch["page_cache_bytes"] is None for epoch in epochs):
        found.append("page cache not counted")
    elif any(epoch["page_cache_bytes"] > 0 for epoch in epochs):
        found.append("page cache holds data")
    limit = params["cache_bytes"]
    window = params["workers"] * params["batch_size"] * dataset["bytes"] / dataset["files"]
    if limit is not None and limit < min(window, dataset["bytes"]):
        found.append(f"the workers' window exceeds the cache at scale {Fraction(case['scale'])}")
    if limit is not None and limit >= dataset["bytes"]:
        asked = [epoch["s3"]["get"] for epoch in epochs if epoch["state"] == "warm" and epoch["s3"]]
        if any(asked):
            found.append(f"warm in full, yet up to {max(asked):.0f} GETs")
    return found
