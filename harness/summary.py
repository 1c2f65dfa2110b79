"""From results to rows of a table: one row for each case and state. README, report and plots all start here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.bound import Bound, Rungs, Traffic, bound_of, network_of
from harness.results import frame_of, workload_of
from harness.statistics import Estimate, Pairing, estimate, paired_ratios, warnings_of
from harness.systems.fuse import CEILING

__all__ = ["BASELINE", "NO_NETWORK", "NULL_FUSE", "Row", "as_flat", "rows_of", "table_of"]

BASELINE: Final = ("mountpoint", "nocache")
NULL_FUSE: Final = ("null", "memory")
NO_NETWORK: Final = "sim-none"
_MEASURE: Final = "epoch_s"
_VERBS: Final = ("get", "head", "list", "put", "other")

_Id = tuple[str, str]
"""(machine_id, case): a case has a result on each machine."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case in one state."""

    case: Mapping[str, Any]
    state: str
    seconds: Estimate | None
    ratio: Estimate | None
    total_ratio: Estimate | None
    versus_baseline: Estimate | None
    requests: float | None
    gets: float | None
    bytes_fetched: float | None
    verdict: str
    noisy: int
    warnings: tuple[str, ...]
    bound: Bound | None

    @property
    def bytes_needed(self) -> int:
        """The bytes that an epoch reads."""
        return int(self.case["dataset"]["bytes"])

    @property
    def amplification(self) -> float | None:
        """Bytes fetched over bytes needed."""
        return None if self.bytes_fetched is None else self.bytes_fetched / self.bytes_needed

    @property
    def ceiling(self) -> bool:
        """Whether this is what the others are compared with."""
        return (self.case["system"], self.case["config"]) == CEILING

    @property
    def shown(self) -> bool:
        """Whether the figures of this row may be shown."""
        return bool(self.case["label"] != "INVALID" and self.seconds is not None)


def table_of(case: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what the rows of one table share: machine, scale, work but for the access, class, S3."""
    work = [part for part in workload_of(case) if part != ("access", case["params"]["access"])]
    return (case["machine_id"], case["scale"], *work, case["hinted"], case["params"]["s3"])


def _id(case: Mapping[str, Any]) -> _Id:
    return case["machine_id"], case["id"]


class _Table:
    """The samples of some results, by what joins them."""

    def __init__(self, cases: Sequence[Mapping[str, Any]]) -> None:
        self._values: dict[tuple[_Id, str, str], dict[Pairing, float]] = {}
        self._verdicts: dict[tuple[_Id, str], list[str]] = {}
        frame = frame_of(cases)
        for row in frame.itertuples(index=False):
            case, state = (str(row.machine_id), str(row.case)), str(row.state)
            pair = (str(row.run_id), int(str(row.round)))
            self._values.setdefault((case, state, str(row.sample)), {})[pair] = float(str(row.value))
            self._verdicts.setdefault((case, state), []).append(str(row.verdict))

    def of(self, cases: Sequence[_Id], state: str, sample: str) -> dict[Pairing, float]:
        """Return the samples of some cases together; where two have one of a round, the later case's."""
        return {
            pair: value
            for case in cases
            for pair, value in self._values.get((case, state, sample), {}).items()
        }

    def verdict(self, case: _Id, state: str) -> str:
        """Return the verdict of all trials: what was wrong, else ``ok`` where any was compared."""
        found = self._verdicts.get((case, state), ["-"])
        wrong = (verdict for verdict in found if verdict not in {"ok", "unchecked"})
        return next(wrong, "ok" if "ok" in found else found[0])

    def states(self, case: _Id) -> list[str]:
        return list(dict.fromkeys(state for name, state in self._verdicts if name == case))


@dataclass(frozen=True, slots=True)
class _Beside:
    """The ids of the cases that a row is held against."""

    ceiling: Sequence[_Id]
    null: Sequence[_Id]
    no_network: Sequence[_Id]
    baseline: Sequence[_Id]


class _Neighbours:
    """Finds, for a case, those of the same work on the same machine and data."""

    def __init__(self, cases: Sequence[Mapping[str, Any]]) -> None:
        self._cases: dict[tuple[object, ...], list[Mapping[str, Any]]] = {}
        for case in cases:
            if case["label"] != "INVALID":
                self._cases.setdefault(self._key(case), []).append(case)

    @staticmethod
    def _key(case: Mapping[str, Any]) -> tuple[object, ...]:
        return (case["machine_id"], case["scale"], case["dataset"]["digest"], workload_of(case))

    def beside(self, case: Mapping[str, Any]) -> _Beside:
        same = self._cases.get(self._key(case), [])
        like = [c for c in same if c["hinted"] == case["hinted"]]  # hinted rows are a class of their own
        s3 = case["params"]["s3"]
        return _Beside(
            ceiling=_ids(same, CEILING, s3),
            null=_ids(same, NULL_FUSE, s3),
            no_network=_ids(
                [c for c in like if c["params"]["s3"] == NO_NETWORK], (case["system"], case["config"]), s3
            ),
            baseline=_ids([c for c in like if c["params"]["s3"] == s3], BASELINE, s3),
        )


def _ids(cases: Sequence[Mapping[str, Any]], what: tuple[str, str], s3: str) -> list[_Id]:
    """Return the ids of a system's cases, that beside the same S3 last: a ceiling uses none of its own."""
    found = [case for case in cases if (case["system"], case["config"]) == what]
    return [_id(case) for case in sorted(found, key=lambda case: bool(case["params"]["s3"] == s3))]


def rows_of(cases: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of some results, those without a figure included (once, state ``-``)."""
    table, neighbours = _Table(cases), _Neighbours(cases)
    rows = []
    for case in cases:
        beside = neighbours.beside(case)
        rows += [_row(table, case, state, beside) for state in table.states(_id(case)) or ["-"]]
    return rows


def _row(table: _Table, case: Mapping[str, Any], state: str, beside: _Beside) -> Row:
    samples = functools.partial(table.of, [_id(case)], state)

    def ratio(above: Mapping[Pairing, float], others: Sequence[_Id], sample: str) -> Estimate | None:
        return estimate(paired_ratios(above, table.of(others, state, sample)))

    def rung(others: Sequence[_Id]) -> float | None:
        return _median(ratio(table.of(others, state, _MEASURE), beside.ceiling, _MEASURE))

    times = samples(_MEASURE)
    seconds, against = estimate(list(times.values())), ratio(times, beside.ceiling, _MEASURE)
    noisy = sum(bool(trial.get("noisy")) for trial in case["trials"])
    asked: dict[str, float] = {}
    fetched = None
    if not case["params"].get("ceiling"):
        counts = {verb: _median(estimate(list(samples(f"s3.{verb}").values()))) for verb in _VERBS}
        asked = {verb: count for verb, count in counts.items() if count is not None}
        fetched = _median(estimate(list(samples("s3.bytes").values())))
    bound = None
    if seconds and against and (case["system"], case["config"]) != CEILING:
        rungs = Rungs(null=rung(beside.null), no_network=rung(beside.no_network), row=against.median)
        traffic = _traffic(case, state, asked, fetched, seconds.median)
        if traffic is not None or case["params"].get("ceiling"):
            bound = bound_of(rungs, traffic, network_of(case["params"]["s3"]))
    return Row(
        case=case,
        state=state,
        seconds=seconds,
        ratio=against,
        total_ratio=ratio(samples("total_s"), beside.ceiling, "total_s"),
        versus_baseline=ratio(times, beside.baseline, _MEASURE),
        requests=sum(asked.values()) if asked else None,
        gets=asked.get("get"),
        bytes_fetched=fetched,
        verdict=table.verdict(_id(case), state),
        noisy=noisy,
        warnings=(*warnings_of(list(times.values())), *_noise(noisy, len(case["trials"]))),
        bound=bound,
    )


def _traffic(
    case: Mapping[str, Any], state: str, asked: Mapping[str, float], fetched: float | None, seconds: float
) -> Traffic | None:
    if not asked or fetched is None:
        return None
    return Traffic(
        requests=asked,
        bytes_fetched=fetched,
        bytes_needed=case["dataset"]["bytes"],
        seconds=seconds,
        cached_before=state == "warm",
        has_cache=case["params"]["cache_bytes"] is not None,
    )


def _median(found: Estimate | None) -> float | None:
    return found.median if found else None


def _noise(noisy: int, trials: int) -> list[str]:
    return (
        [f"other processes took more than their share of the CPU in {noisy} of {trials} rounds"]
        if noisy
        else []
    )


def as_flat(row: Row) -> dict[str, object]:
    """Return what ``harness show --json`` prints of a row. Figures of INVALID rows are left out."""
    case = row.case
    shown = row.shown
    seconds, ratio, bound = row.seconds, row.ratio, row.bound
    return {
        "suite": case["suite"],
        "system": case["system"],
        "system_version": case["system_version"],
        "config": case["config"],
        "access": case["params"]["access"],
        "state": row.state,
        "hinted": case["hinted"],
        "mode": case["mode"],
        "scale": case["scale"],
        "median_s": seconds.median if shown and seconds else None,
        "median_s_low": seconds.low if shown and seconds else None,
        "median_s_high": seconds.high if shown and seconds else None,
        "min_s": seconds.minimum if shown and seconds else None,
        "max_s": seconds.maximum if shown and seconds else None,
        "n": seconds.n if seconds else 0,
        "ratio_to_tmpfs": ratio.median if shown and ratio else None,
        "ratio_low": ratio.low if shown and ratio else None,
        "ratio_high": ratio.high if shown and ratio else None,
        "pairs": ratio.n if shown and ratio else 0,
        "total_ratio_to_tmpfs": row.total_ratio.median if shown and row.total_ratio else None,
        "ratio_to_baseline": row.versus_baseline.median if shown and row.versus_baseline else None,
        "pairs_with_baseline": row.versus_baseline.n if shown and row.versus_baseline else 0,
        "s3_requests": row.requests if shown else None,
        "s3_gets": row.gets if shown else None,
        "bytes_fetched": row.bytes_fetched if shown else None,
        "bytes_needed": row.bytes_needed,
        "amplification": row.amplification if shown else None,
        "bound_by": bound.by if shown and bound else None,
        "bound_shares": {k: round(v, 4) for k, v in bound.shares.items()} if shown and bound else None,
        "warnings": list(row.warnings) if shown else [],
        "verdict": row.verdict,
        "label": case["label"],
        "label_reasons": case["label_reasons"],
        "status": case["status"],
        "reason": case["reason"],
        "loader": case["params"]["loader"],
        "s3": case["params"]["s3"],
        "machine_id": case["machine_id"],
        "commit": case["commit"],
        "dirty": case["dirty"],
    }
