"""The rows of the table: figures over all rounds, ratios within rounds, and the published ones beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.podbench._bounds import BASELINES, Held, Pairing, best_of, held_bounds, rounds_of
from harness.podbench._figures import blocked_s, median_load_s
from harness.podbench._published import Published, published_ratio
from harness.podbench._results import is_shown
from harness.statistics import Estimate, estimate
from harness.systems.pod import names

__all__ = ["METRICS", "Row", "as_flat", "place_of", "rows_of", "verdict_text"]

Trial = Mapping[str, Any]

METRICS: Final[Mapping[str, Callable[[Trial], float | None]]] = {
    "storage_bytes": lambda trial: float(trial["samples"]["storage_bytes"]),
    "blocked_s": blocked_s,
    "load_s": median_load_s,
    "cold_load_s": lambda trial: median_load_s(trial, "cold"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One system on one workload.

    Attributes
    ----------
    figures
        Of each metric the median over the rounds.
    ratios
        Of each metric the best baseline's figure over this one's, round by round: 5 is five times smaller or shorter.
    published
        The same ratios of the published system, where its name and workload are the same.
    held
        The bounds that this row answers for.
    """

    case: Mapping[str, Any]
    figures: Mapping[str, Estimate | None]
    ratios: Mapping[str, Estimate | None]
    published: Published | None
    held: tuple[Held, ...]

    @property
    def shown(self) -> bool:
        """Whether its figures may be shown."""
        return is_shown(self.case)

    @property
    def n(self) -> int:
        """The number of rounds that gave figures."""
        return len(self.case["trials"])


def _samples(case: Mapping[str, Any], metric: str) -> dict[Pairing, float]:
    found = {(trial["run_id"], trial["round"]): METRICS[metric](trial) for trial in case["trials"]}
    return {pairing: value for pairing, value in found.items() if value is not None}


def _group(case: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what two cases must share to stand in one ratio."""
    return (str(case["machine_id"]), case["workload"], case["scale"], case["fidelity"])


def place_of(case: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the place of a case in a table: by workload, then as systems are listed."""
    listed = names()
    place = listed.index(case["system"]) if case["system"] in listed else len(listed)
    return (case["name"], case["exclude"], *case["parameters"].values(), case["scale"], place, case["id"])


def rows_of(cases: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of some results, workload by workload."""
    groups: dict[tuple[object, ...], list[Mapping[str, Any]]] = {}
    for case in cases:
        groups.setdefault(_group(case), []).append(case)
    rows = []
    for group in groups.values():
        best = {metric: _best(group, metric) for metric in METRICS}
        for case in group:
            samples = {metric: _samples(case, metric) for metric in METRICS}
            keeps = bool(case["verdict"]["checked"])  # what saves nothing is neither smaller nor shorter
            rows.append(
                Row(
                    case=case,
                    figures={metric: estimate(list(values.values())) for metric, values in samples.items()},
                    ratios={
                        metric: estimate(_over(best[metric], values) if keeps else [])
                        for metric, values in samples.items()
                    },
                    published=published_ratio(case, BASELINES),
                    held=tuple(held_bounds(case, group)),
                )
            )
    return rows


def _best(group: Sequence[Mapping[str, Any]], metric: str) -> dict[Pairing, float]:
    """Return the smallest figure of the baselines in each round; a round counts if all that were tried gave one."""
    tried = [case["system"] for case in group if case["system"] in BASELINES and case["trials"]]
    found = {pairing: best_of(tried, trials, METRICS[metric]) for pairing, trials in rounds_of(group).items()}
    return {pairing: value for pairing, value in found.items() if value is not None}


def _over(best: Mapping[Pairing, float], values: Mapping[Pairing, float]) -> list[float]:
    return [
        best[pairing] / values[pairing]
        for pairing in sorted(best.keys() & values.keys())
        if values[pairing] > 0
    ]


def verdict_text(case: Mapping[str, Any]) -> str:
    """Return ``45/45``: loads that were right, of those that were compared; what was unsaved is added."""
    verdict = case["verdict"]
    if not case["trials"]:
        return str(case["status"]).replace("_", " ")
    right = (
        f"{verdict['checked'] - verdict['wrong']}/{verdict['checked']}" if verdict["checked"] else "unchecked"
    )
    return f"{right}, {len(case['unsaved'])} unsaved" if case["unsaved"] else right


def as_flat(row: Row) -> dict[str, object]:
    """Return what ``harness show --suite pod-bench --json`` prints of a row. Figures of INVALID rows are left out."""
    case, published = row.case, row.published
    flat: dict[str, object] = {
        name: case[name] for name in ("suite", "system", "workload", "scale", "fidelity", "status", "reason")
    }
    for metric in METRICS:
        figure, ratio = (row.figures[metric], row.ratios[metric]) if row.shown else (None, None)
        flat |= {
            metric: figure.median if figure else None,
            f"{metric}_low": figure.low if figure else None,
            f"{metric}_high": figure.high if figure else None,
            f"{metric}_ratio": ratio.median if ratio else None,
            f"{metric}_ratio_published": published.ratios.get(metric) if published else None,
        }
    return {
        **flat,
        "n": row.n,
        "checked": case["verdict"]["checked"],
        "wrong": case["verdict"]["wrong"],
        "unsaved": sorted(case["unsaved"]),
        "bounds": [
            {"text": h.bound.text, "value": h.value, "limit": h.bound.limit, "holds": h.holds}
            for h in row.held
        ],
        "verdict": verdict_text(case),
        "label": case["label"],
        "label_reasons": case["label_reasons"],
        "machine_id": case["machine_id"],
        "commit": case["commit"],
        "dirty": case["dirty"],
    }
