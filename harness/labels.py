"""What a result may be used for. Each rule here stands in docs/results.md, and each has a test that flips it.

INVALID  bytes not verified or wrong, cold not proved, or a cache over its limit; never shown
OPEN     a figure with a reservation; shown with the reason
CLOSED   none of these

Rows of a system that was told the order (``hinted``) are labelled by the same rules and shown in a table of their own.
At paper fidelity a wrong load is a finding and not a fault of the measurement: the case is OPEN and says how many, and
the trials whose verdict failed give no time (`harness.results`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal

from harness.loader import PREFETCH_FACTOR

__all__ = ["MINIMUM_REPEATS", "Label", "LabelContext", "label_of"]

Label = Literal["CLOSED", "OPEN", "INVALID"]

# Fewer trials leave a case OPEN, whatever its suite says.
MINIMUM_REPEATS: Final = 5
# A cache's own bookkeeping may round up by one entry of at most 1 MiB a worker.
_SLACK_BYTES: Final = 4 << 20
_COLD_SHARE: Final = 0.9
# Each worker has PREFETCH_FACTOR batches under way when the first one arrives.
_BATCHES_EACH: Final = 5
_OWN_LAYERS: Final = ("system_memory", "system_disk")


@dataclass(frozen=True, slots=True)
class LabelContext:
    """What the label depends on beside the trials.

    Attributes
    ----------
    minimum_repeats : fewer trials than this leave a case OPEN; never less than `MINIMUM_REPEATS`
    rounds : in how many rounds the case was tried
    reference_cache_bytes : the cache sizes of pond's rows beside it, which a peer's has to equal
    layout : how the system's data lies in S3 (`harness.systems.fuse.Layout`)
    """

    case: Mapping[str, Any]
    minimum_repeats: int
    rounds: int
    reference_cache_bytes: frozenset[int] = field(default=frozenset())
    layout: str = "pond"


def label_of(context: LabelContext) -> tuple[Label, list[str]]:
    """Return the label of a case and all reasons for it."""
    case = context.case
    if case["status"] == "not_installed":
        return "OPEN", ["not installed"]
    if not case["trials"]:
        return "INVALID", [f"no trial gave a figure: {case['reason'] or case['status']}"]
    if reasons := list(dict.fromkeys(_invalid(context))):
        return "INVALID", reasons
    reasons = list(dict.fromkeys(_open(context)))
    return ("OPEN", reasons) if reasons else ("CLOSED", [])


def _epochs(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [epoch for trial in case["trials"] for epoch in trial["epochs"]]


def _paper(case: Mapping[str, Any]) -> bool:
    return bool(case["params"].get("fidelity") == "paper")


def _reads_files(case: Mapping[str, Any]) -> bool:
    """Say whether a loader read files, so that caches and requests are of the essence."""
    return "loader" in case["params"]


def _invalid(context: LabelContext) -> Iterator[str]:
    case = context.case
    limit = case["params"].get("cache_bytes")
    if not any(epoch["verdict"]["checked"] for epoch in _epochs(case)):
        yield "bytes not verified"
    for epoch in _epochs(case):
        verdict = epoch["verdict"]
        if verdict["checked"] and not verdict["ok"] and not _paper(case):
            yield f"{verdict['wrong']} of {verdict['checked']} files read wrong"
        if epoch["state"] == "cold" and _reads_files(case) and not case["params"].get("ceiling"):
            yield from _not_cold(epoch, context)
        held = epoch["samples"].get("system.cache_bytes")
        if limit is not None and held is not None and held > limit + _SLACK_BYTES:
            yield "cache over its limit"


def _not_cold(epoch: Mapping[str, Any], context: LabelContext) -> Iterator[str]:
    """Cold is proved by the server's log: by what was asked from the epoch's begin on, whose first batch is untimed.

    The counters run since the mount. What the mount and the listing fetched lies in some cache when the epoch begins.
    """
    s3, before = epoch["s3"], epoch["samples"]
    files, needed = context.case["dataset"]["files"], context.case["dataset"]["bytes"]
    uncached = context.layout == "objects" and context.case["params"]["cache_bytes"] is None
    if s3 is None:
        layers = epoch["cache_state"]
        if not all(layers.get(layer, {}).get("reset") for layer in _OWN_LAYERS):
            yield "cold not proved: no requests counted, and the system's caches not shown to be empty"
        return
    if not s3["get"]:
        yield "cold not proved: no GET reached the server"
        return
    asked = s3["get"] + s3["head"] + s3["list"] - before.get("requests_before_epoch", 0.0)
    if uncached and min(s3["get"], asked) < _COLD_SHARE * files:
        yield "cold not proved: fewer GETs than files, without a cache"
    if s3["bytes"] - before.get("bytes_before_epoch", 0.0) < _COLD_SHARE * needed:  # equal files: stored once
        yield "cold not proved: fewer bytes fetched than read"


def _open(context: LabelContext) -> Iterator[str]:
    case, trials = context.case, context.case["trials"]
    params = case["params"]
    minimum = max(MINIMUM_REPEATS, context.minimum_repeats)
    if len(trials) < minimum:
        yield f"n = {len(trials)} < {minimum}"
    if len(trials) < context.rounds:
        yield f"{context.rounds - len(trials)} of {context.rounds} trials gave no figure"
    if _paper(case):
        yield from _paper_fidelity(case)
    if any(not trial.get("cpus") for trial in trials):
        yield "free affinity"
    if beside := sum(bool(trial.get("neighbours")) for trial in trials):
        yield f"{beside} of {len(trials)} rounds measured beside neighbours (--jobs)"
    if _reads_files(case):
        yield from _loading(case)
        yield from _pages(case)
        if not params.get("ceiling"):
            yield from _caches(context)


def _paper_fidelity(case: Mapping[str, Any]) -> Iterator[str]:
    verdicts = [epoch["verdict"] for epoch in _epochs(case)]
    wrong, checked = (sum(verdict[name] for verdict in verdicts) for name in ("wrong", "checked"))
    yield f"paper fidelity: {wrong} of {checked} loads wrong" if wrong else "paper fidelity"


def _loading(case: Mapping[str, Any]) -> Iterator[str]:
    params, dataset = case["params"], case["dataset"]
    if params["loader"] != "torch":
        yield f"loader {params['loader']}, not torch"
    batches = math.ceil(dataset["files"] / params["batch_size"])
    if batches < _BATCHES_EACH * params["workers"]:
        yield f"{batches} batches: too many of them are under way before the clock starts"
    limit = params["cache_bytes"]
    window = PREFETCH_FACTOR * params["workers"] * params["batch_size"] * dataset["bytes"] / dataset["files"]
    if limit is not None and limit < min(window, dataset["bytes"]) and not params.get("ceiling"):
        yield f"the workers' window exceeds the cache at scale {Fraction(case['scale'])}"


def _pages(case: Mapping[str, Any]) -> Iterator[str]:
    params = case["params"]
    keeps = params["page_cache"] and not params.get("ceiling")  # what a row is there to show stays when warm
    dropped = [epoch for epoch in _epochs(case) if epoch["state"] == "cold" or not keeps]
    if any(not epoch["cache_state"].get("page_cache", {}).get("reset") for epoch in dropped):
        yield "page cache not dropped (needs root)"


def _caches(context: LabelContext) -> Iterator[str]:
    """The kernel's page cache is a cache: a system's own and its pages are bounded together."""
    limit, needed = context.case["params"]["cache_bytes"], context.case["dataset"]["bytes"]
    epochs = _epochs(context.case)
    uncounted = {epoch["state"] for epoch in epochs if epoch["s3"] is None}
    if "cold" in uncounted:
        yield "cold not counted by the server"
    if uncounted:
        yield "requests not counted"
    if limit is not None and any("system.cache_bytes" not in epoch["samples"] for epoch in epochs):
        yield "cache not counted"
    if any(epoch["page_cache_bytes"] is None for epoch in epochs):
        yield "page cache neither bounded nor counted"
    if beyond := max((_pages_beyond(epoch, limit or 0) for epoch in epochs), default=0):
        yield f"unequal cache bytes: {_mib(beyond)} of page cache beyond {_mib(limit) if limit else 'no cache'}"
    reference = context.reference_cache_bytes
    if limit is not None and reference and all(abs(limit - size) > _SLACK_BYTES for size in reference):
        yield f"unequal cache bytes: {_mib(limit)}, pond's {', '.join(map(_mib, sorted(reference)))}"
    if limit is not None and limit >= needed:
        asked = [epoch["s3"]["get"] for epoch in epochs if epoch["state"] == "warm" and epoch["s3"]]
        if any(asked):
            yield f"warm in full, yet up to {max(asked):.0f} GETs"


def _pages_beyond(epoch: Mapping[str, Any], limit: int) -> int:
    pages = int(epoch["page_cache_bytes"] or 0)
    held = int(epoch["samples"].get("system.cache_bytes", limit))
    return min(pages, max(0, held + pages - limit))


def _mib(size: int) -> str:
    return f"{math.ceil(size / 2**20):,} MiB"
