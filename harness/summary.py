"""From results to rows of a table: one row for each case and state. README, report and plots all start here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.results import frame_of
from harness.statistics import Estimate, Pairing, estimate, paired_ratios
from harness.systems.fuse import CEILING

__all__ = ["BASELINE", "Row", "as_flat", "rows_of"]

BASELINE: Final = ("mountpoint", "nocache")
_MEASURE: Final = "epoch_s"


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


class _Table:
    """The samples of some results, by what joins them."""

    def __init__(self, cases: Sequence[Mapping[str, Any]]) -> None:
        self._values: dict[tuple[str, str, str], dict[Pairing, float]] = {}
        self._verdicts: dict[tuple[str, str], str] = {}
        frame = frame_of(cases)
        for row in frame.itertuples(index=False):
            key = (str(row.case), str(row.state), str(row.sample))
            self._values.setdefault(key, {})[(str(row.run_id), int(str(row.round)))] = float(str(row.value))
            self._verdicts[(str(row.case), str(row.state))] = str(row.verdict)

    def of(self, case: str, state: str, sample: str) -> dict[Pairing, float]:
        return self._values.get((case, state, sample), {})

    def verdict(self, case: str, state: str) -> str:
        return self._verdicts.get((case, state), "-")

    def states(self, case: str) -> list[str]:
        return list(dict.fromkeys(state for name, state, _ in self._values if name == case))


def _workload(case: Mapping[str, Any]) -> tuple[object, ...]:
    params = case["params"]
    machine = (case["machine_id"], case["scale"], case["dataset"]["digest"])
    return (*machine, case["mode"], params["access"], params["loader"], params["s3"])


def rows_of(cases: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of some results, those without a figure included (once, state ``-``)."""
    table = _Table(cases)

    def like(case: Mapping[str, Any], what: tuple[str, str]) -> str | None:
        same = (c for c in cases if (c["system"], c["config"]) == what and _workload(c) == _workload(case))
        return next((str(c["id"]) for c in same), None)

    rows = []
    for case in cases:
        ceiling, baseline = like(case, CEILING), like(case, BASELINE)
        for state in table.states(case["id"]) or ["-"]:
            rows.append(_row(table, case, state, ceiling, baseline))
    return rows


def _row(
    table: _Table, case: Mapping[str, Any], state: str, ceiling: str | None, baseline: str | None
) -> Row:
    def samples(sample: str) -> dict[Pairing, float]:
        return table.of(case["id"], state, sample)

    def against(other: str | None, sample: str) -> Estimate | None:
        return estimate(paired_ratios(samples(sample), table.of(other, state, sample))) if other else None

    def median(sample: str) -> float | None:
        found = estimate(list(samples(sample).values()))
        return found.median if found else None

    counts = [median(f"s3.{verb}") for verb in ("get", "head", "list", "put", "other")]
    known = [count for count in counts if count is not None]
    is_ceiling = (case["system"], case["config"]) == CEILING
    return Row(
        case=case,
        state=state,
        seconds=estimate(list(samples(_MEASURE).values())),
        ratio=against(ceiling, _MEASURE),
        total_ratio=against(ceiling, "total_s"),
        versus_baseline=against(baseline, _MEASURE),
        requests=sum(known) if known and not is_ceiling else None,
        gets=None if is_ceiling else counts[0],
        bytes_fetched=None if is_ceiling else median("s3.bytes"),
        verdict=table.verdict(case["id"], state),
        noisy=sum(bool(trial.get("noisy")) for trial in case["trials"]),
    )


def as_flat(row: Row) -> dict[str, object]:
    """Return what ``harness show --json`` prints of a row. Figures of INVALID rows are left out."""
    case = row.case
    shown = row.shown
    seconds, ratio = row.seconds, row.ratio
    return {
        "suite": case["suite"],
        "system": case["system"],
        "config": case["config"],
        "access": case["params"]["access"],
        "state": row.state,
        "hinted": case["hinted"],
        "mode": case["mode"],
        "scale": case["scale"],
        "median_s": seconds.median if shown and seconds else None,
        "median_s_low": seconds.low if shown and seconds else None,
        "median_s_high": seconds.high if shown and seconds else None,
        "n": seconds.n if seconds else 0,
        "ratio_to_tmpfs": ratio.median if shown and ratio else None,
        "ratio_low": ratio.low if shown and ratio else None,
        "ratio_high": ratio.high if shown and ratio else None,
        "total_ratio_to_tmpfs": row.total_ratio.median if shown and row.total_ratio else None,
        "s3_requests": row.requests if shown else None,
        "s3_gets": row.gets if shown else None,
        "bytes_fetched": row.bytes_fetched if shown else None,
        "bytes_needed": row.bytes_needed,
        "amplification": row.amplification if shown else None,
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
