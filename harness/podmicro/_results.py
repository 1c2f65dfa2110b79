"""From trials to result files, rows and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import HarnessError
from harness.home import Home
from harness.podmicro._bounds import BOUNDS, Bound, Round
from harness.podmicro._workloads import WORKLOADS
from harness.runs import RunFolder
from harness.statistics import Estimate, estimate, paired_ratios
from harness.stores import OTHER_CPU_LIMIT, publish_files
from harness.systems.pod import BASELINE

__all__ = [
    "SUITE",
    "Held",
    "Row",
    "as_flat",
    "case_of",
    "held_bounds",
    "publish_cases",
    "rows_of",
]

SUITE: Final = "pod-micro"
MINIMUM_ROUNDS: Final = 7

Pairing = tuple[str, int]


# -- cases --------------------------------------------------------------------------------------------------------


def case_of(
    facts: Mapping[str, Any],
    pair: tuple[str, str],
    outcomes: Sequence[Mapping[str, Any]],
    missing: str | None,
) -> dict[str, Any]:
    """Return the result of one workload on one system."""
    workload, system = pair
    trials = [outcome for outcome in outcomes if outcome["status"] == "ok"]
    failures = [outcome for outcome in outcomes if outcome["status"] != "ok"]
    checked = sum(trial["verdict"]["checked"] for trial in trials)
    wrong = sum(trial["verdict"]["wrong"] for trial in trials)
    status, reason = "ok", None
    if missing:
        status, reason = "not_installed", missing
    elif failures:
        status = failures[0]["status"]
        reason = "; ".join(f"round {outcome['round']}: {outcome['reason']}" for outcome in failures)
    case = {
        "schema": 1,
        "id": f"{workload}_{system}_scale{facts['scale']:g}",
        "suite": SUITE,
        "system": system,
        "system_version": facts["versions"][system],
        "system_digest": facts["digest"] if system.startswith("pod") else "unknown",
        "workload": workload,
        "about": WORKLOADS[workload].about,
        "scale": facts["scale"],
        "seeds": facts["seeds"],
        "status": status,
        "reason": reason,
        "verdict": {"ok": bool(checked) and not wrong, "checked": checked, "wrong": wrong},
        "machine": facts["machine"],
        "machine_id": facts["machine_id"],
        "commit": facts["commit"],
        "dirty": facts["dirty"],
        "trials": [
            {
                "run_id": trial["run_id"],
                "round": trial["round"],
                "order": trial["order"],
                "cpus": trial["cpus"],
                "other_cpu_share": round(trial["other_cpu_share"], 4),
                "samples": trial["samples"],
            }
            for trial in trials
        ],
    }
    case["label"], case["label_reasons"] = _label(case, facts["rounds"])
    return case


def _label(case: Mapping[str, Any], rounds: int) -> tuple[str, list[str]]:
    trials, verdict = case["trials"], case["verdict"]
    if case["status"] == "not_installed":
        return "OPEN", ["not installed"]
    if not trials:
        return "INVALID", [f"no trial gave a figure: {case['reason'] or case['status']}"]
    if not verdict["checked"]:
        return "INVALID", ["versions not compared"]
    if verdict["wrong"]:
        return "INVALID", [f"{verdict['wrong']} of {verdict['checked']} loaded versions wrong"]
    found = []
    if len(trials) < MINIMUM_ROUNDS:
        found.append(f"n = {len(trials)} < {MINIMUM_ROUNDS}")
    if len(trials) < rounds:
        found.append(f"{rounds - len(trials)} of {rounds} trials gave no figure")
    if case["scale"] != 1:
        found.append(f"scale {case['scale']:g}")
    if noisy := sum(trial["other_cpu_share"] > OTHER_CPU_LIMIT for trial in trials):
        found.append(f"other processes in {noisy} of {len(trials)} rounds")
    return ("OPEN", found) if found else ("CLOSED", [])


def publish_cases(run: RunFolder, cases: Sequence[Mapping[str, Any]], home: Home) -> list[Path]:
    """Put a run's results, scrubbed, into ``results/pod-micro/<machine_id>/``, as `publish_files` does.

    Raises
    ------
    HarnessError
        When a trial failed.
    """
    failed = [case["id"] for case in cases if case["status"] not in {"ok", "not_installed"}]
    if failed or not cases:
        raise HarnessError(f"run {run.run_id} has failed trials: {', '.join(failed) or 'all'}")
    return publish_files(run, cases, home, _history)


def _history(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    figures = ("system", "workload", "what", "median_s", "ratio_to_pickle", "n", "label")
    rows = [as_flat(row) for row in rows_of(cases)]
    return {
        "scale": cases[0]["scale"],
        "rows": [{name: row[name] for name in figures} for row in rows],
    }


# -- rows ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """A bound, what was measured (median over rounds, with its interval), and whether it holds."""

    bound: Bound
    value: Estimate

    @property
    def holds(self) -> bool:
        """Whether the median is within the limit."""
        return self.value.median <= self.bound.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured of one system."""

    case: Mapping[str, Any]
    what: str
    seconds: Estimate | None
    ratio: Estimate | None
    stored_bytes: float | None
    held: tuple[Held, ...]

    @property
    def shown(self) -> bool:
        """Whether its figures may be shown."""
        return bool(self.case["label"] != "INVALID" and self.seconds is not None)


def _samples(case: Mapping[str, Any] | None, what: str, sample: str) -> dict[Pairing, float]:
    if case is None:
        return {}
    return {
        (trial["run_id"], trial["round"]): trial["samples"][what][sample]
        for trial in case["trials"]
        if sample in trial["samples"].get(what, {})
    }


def _beside(
    cases: Sequence[Mapping[str, Any]], case: Mapping[str, Any], system: str
) -> Mapping[str, Any] | None:
    keys = ("workload", "scale", "machine_id")
    return next((c for c in cases if c["system"] == system and all(c[k] == case[k] for k in keys)), None)


def rows_of(cases: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of some results, in the order of the workloads."""
    rows = []
    places = list(WORKLOADS)
    for case in sorted(cases, key=lambda c: (str(c["machine_id"]), c["scale"], places.index(c["workload"]))):
        baseline = _beside(cases, case, BASELINE)
        measured = list(dict.fromkeys(what for trial in case["trials"] for what in trial["samples"]))
        held = held_bounds(cases, case)
        for what in measured or ["-"]:
            seconds = _samples(case, what, "seconds")
            written = estimate(list(_samples(case, what, "bytes").values()))
            rows.append(
                Row(
                    case=case,
                    what=what,
                    seconds=estimate(list(seconds.values())),
                    ratio=estimate(paired_ratios(seconds, _samples(baseline, what, "seconds"))),
                    stored_bytes=written.median if written else None,
                    held=tuple(h for h in held if h.bound.what == what),
                )
            )
    return rows


def held_bounds(cases: Sequence[Mapping[str, Any]], case: Mapping[str, Any]) -> list[Held]:
    """Return pod's bounds on the workload of a case, by the rounds that all systems which a bound names have."""
    if not str(case["system"]).startswith("pod"):
        return []
    ours, pickle, dill = (
        {}
        if each is None
        else {(trial["run_id"], trial["round"]): trial["samples"] for trial in each["trials"]}
        for each in (case, _beside(cases, case, BASELINE), _beside(cases, case, "dill"))
    )
    found = []
    for bound in BOUNDS:
        if bound.workload != case["workload"]:
            continue
        values = []
        for pair, samples in ours.items():
            try:
                values.append(bound.figure(Round(samples, pickle.get(pair, {}), dill.get(pair, {}))))
            except KeyError:
                continue  # the other system has no such round
        value = estimate(values)
        if value is not None:
            found.append(Held(bound, value))
    return found


def as_flat(row: Row) -> dict[str, object]:
    """Return what ``harness show --suite pod-micro --json`` prints of a row. Figures of INVALID rows are left out."""
    case, shown = row.case, row.shown
    seconds, ratio = row.seconds, row.ratio
    verdict = case["verdict"]
    return {
        "suite": case["suite"],
        "system": case["system"],
        "workload": case["workload"],
        "what": row.what,
        "scale": case["scale"],
        "median_s": seconds.median if shown and seconds else None,
        "median_s_low": seconds.low if shown and seconds else None,
        "median_s_high": seconds.high if shown and seconds else None,
        "n": seconds.n if seconds else 0,
        "ratio_to_pickle": ratio.median if shown and ratio else None,
        "ratio_low": ratio.low if shown and ratio else None,
        "ratio_high": ratio.high if shown and ratio else None,
        "storage_bytes": row.stored_bytes if shown else None,
        "bounds": [
            {"text": h.bound.text, "limit": h.bound.limit, "value": h.value.median, "holds": h.holds}
            for h in (row.held if shown else ())
        ],
        "verdict": "ok"
        if verdict["ok"]
        else f"{verdict['wrong']} wrong"
        if verdict["checked"]
        else "unchecked",
        "label": case["label"],
        "label_reasons": case["label_reasons"],
        "status": case["status"],
        "reason": case["reason"],
        "machine_id": case["machine_id"],
        "commit": case["commit"],
        "dirty": case["dirty"],
    }
