"""From trials to result files, and what a result may be used for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.errors import HarnessError
from harness.home import Home
from harness.podbench._figures import was_cold
from harness.podbench._plan import Case, Plan
from harness.podworkloads import SEED
from harness.results import load_cases, trials_beside
from harness.runs import RunFolder
from harness.stores import OTHER_CPU_LIMIT, publish_files
from harness.systems.pod import options_of
from harness.wording import command

__all__ = [
    "SUITE",
    "WITHOUT",
    "case_of",
    "is_ours",
    "is_shown",
    "is_wrong",
    "publish_cases",
]

SUITE: Final = "pod-bench"
MINIMUM_ROUNDS: Final = 5
WITHOUT: Final = frozenset({"not_installed", "skipped"})
"""The states of a case that was never tried."""

_INSTALLERS: Final = ("pip install", "apt-get install", "make peers")

Trial = Mapping[str, Any]


def case_of(
    facts: Mapping[str, Any],
    plan: Plan,
    case: Case,
    outcomes: Sequence[Mapping[str, Any]],
    without: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Return the result of one system on one workload.

    Parameters
    ----------
    facts
        What the run wrote down when it began.
    outcomes
        Of its trials, by round.
    without
        Where it was not tried: its state, and why.
    """
    workload = plan.workload_of(case.asked)
    trials = [{name: one[name] for name in _OF_TRIAL} for one in outcomes if one["status"] == "ok"]
    failures = [one for one in outcomes if one["status"] != "ok"]
    status, reason = without or ("ok", None)
    if failures:
        status = failures[0]["status"]
        reason = "; ".join(f"round {one['round']}: {one['reason']}" for one in failures)
    options = options_of(case.system, plan.fidelity)
    result = {
        "schema": 1,
        "id": case.id(plan),
        "suite": SUITE,
        "system": case.system,
        "system_version": facts["versions"][case.system],
        "system_digest": facts["digest"] if is_ours(options) else "unknown",
        "options": options,
        "workload": str(case.asked),
        "name": case.asked.name,
        "about": workload.about,
        "parameters": plan.parameters_of(case.asked),
        "exclude": case.asked.exclude,
        "repetition": case.asked.repetition,
        "scale": plan.scale_of(case.asked),
        "fidelity": plan.fidelity,
        "reference": facts["references"].get(str(case.asked)),
        "seeds": {"session": SEED, "loads": SEED, "hash": 0},
        "status": status,
        "reason": reason,
        **_found(trials),
        "machine": facts["machine"],
        "machine_id": facts["machine_id"],
        "commit": facts["commit"],
        "dirty": facts["dirty"],
        "trials": trials,
    }
    result["label"], result["label_reasons"] = _label(result, len(outcomes))
    return result


def _found(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return what all trials together say of loads and of variables that were left out."""
    verdicts = [trial[state]["verdict"] for trial in trials for state in ("warm", "cold")]
    checked, wrong = (sum(verdict[name] for verdict in verdicts) for name in ("checked", "wrong"))
    return {
        "verdict": {"ok": bool(checked) and not wrong, "checked": checked, "wrong": wrong},
        "unsaved": {name: why for trial in trials for name, why in trial["unsaved"].items()},
    }


_OF_TRIAL: Final = (
    "run_id", "round", "order", "wall_s", "cpus", "other_cpu_share", "samples", "unsaved", "unsaved_counts", "warm", "cold",
)  # fmt: skip


def is_ours(options: Mapping[str, object]) -> bool:
    """Say whether a system is a configuration of our store, by its options."""
    return "podding" in options


def is_wrong(case: Mapping[str, Any]) -> bool:
    """Say whether something was loaded that is not what had been saved."""
    return bool(case["verdict"]["wrong"])


def is_shown(case: Mapping[str, Any]) -> bool:
    """Say whether a case's figures may be shown."""
    return bool(case["label"] != "INVALID" and case["trials"])


def _label(case: Mapping[str, Any], tried: int) -> tuple[str, list[str]]:
    verdict = case["verdict"]
    if case["status"] in WITHOUT:
        return "OPEN", [f"{case['status'].replace('_', ' ')}: {case['reason']}"]
    if not case["trials"]:
        return "INVALID", [f"no trial gave a figure: {case['reason'] or case['status']}"]
    if is_wrong(case) and case["fidelity"] == "fixed" and is_ours(case["options"]):
        return "INVALID", [f"{verdict['wrong']} of {verdict['checked']} loads wrong"]
    reasons = list(_reservations(case, tried))
    return ("OPEN", reasons) if reasons else ("CLOSED", [])


def _reservations(case: Mapping[str, Any], tried: int) -> Iterator[str]:
    trials, verdict = case["trials"], case["verdict"]
    if not verdict["checked"]:
        yield "nothing to compare: it saves nothing"
    if is_wrong(case):
        yield f"{verdict['wrong']} of {verdict['checked']} loads wrong"
    if verdict["checked"] and case["unsaved"]:
        yield f"variables unsaved: {len(case['unsaved'])}"
    if warm := sum(bool(trial["cold"]["loads"]) and not was_cold(trial) for trial in trials):
        yield f"loads not known to be cold in {warm} of {len(trials)} rounds"
    if case["fidelity"] != "fixed":
        yield "paper fidelity"
    if len(trials) < MINIMUM_ROUNDS:
        yield f"n = {len(trials)} < {MINIMUM_ROUNDS}"
    if len(trials) < tried:
        yield f"{tried - len(trials)} of {tried} trials gave no figure"
    if case["scale"] != 1:
        yield f"scale {case['scale']:g}"
    if noisy := sum(trial["other_cpu_share"] > OTHER_CPU_LIMIT for trial in trials):
        yield f"other processes in {noisy} of {len(trials)} rounds"


def publish_cases(run: RunFolder, cases: Sequence[Mapping[str, Any]], home: Home) -> list[Path]:
    """Put a run's results, scrubbed, into ``results/pod-bench/<machine_id>/``, as `publish_files` does.

    Of a case that is replaced, rounds of earlier runs stay that another case beside it has, too: figures are held against each
    other round by round.

    Raises
    ------
    HarnessError
        When the run is not complete, or a system that a registry has was not installed.
    """
    if not run.complete():
        again = command(f"pod-bench --resume {run.run_id}")
        raise HarnessError(f"run {run.run_id} is not complete: go on with {again}")
    lacking = {case["system"]: case["reason"] for case in cases if case["status"] == "not_installed"}
    if obtainable := [
        f"{name} ({how})" for name, how in lacking.items() if any(tool in how for tool in _INSTALLERS)
    ]:
        raise HarnessError(f"a registry has {', '.join(obtainable)}: install it, then measure again")
    there = load_cases(SUITE, home)
    return publish_files(run, [_beside(case, there, cases) for case in cases], home, _history)


def _beside(
    case: Mapping[str, Any], there: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Return a case with the published rounds that it shares with cases which stay."""
    place = (case["machine_id"], case["id"])
    before = next((one for one in there if (one["machine_id"], one["id"]) == place), None)
    if (
        before is None
        or case["status"] != "ok"
        or before["label"] == "INVALID"
        or any(before[name] != case[name] for name in _SAME)
    ):
        return case
    replaced = {one["id"] for one in fresh}
    staying = [one for one in there if one["workload"] == case["workload"] and one["id"] not in replaced]
    trials = [*case["trials"], *trials_beside(before, case, staying)]
    result = {**case, "trials": trials, **_found(trials)}
    result["label"], result["label_reasons"] = _label(result, len(trials))
    return result


_SAME: Final = ("scale", "fidelity", "reference", "system_digest", "options")


def _history(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from harness.podbench._rows import as_flat, rows_of

    rows = [as_flat(row) for row in rows_of(cases)]
    return {
        "fidelity": cases[0]["fidelity"],
        "rows": [{name: row[name] for name in _OF_HISTORY} for row in rows],
    }


_OF_HISTORY: Final = (
    "system", "workload", "scale", "storage_bytes", "blocked_s", "load_s", "cold_load_s", "verdict", "n", "label",
)  # fmt: skip
