"""Result files: made from a run's units, validated on write, and read back as one table of samples.

A trial whose verdict failed gives no time: its seconds are in the file and in no table of samples.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.durable import write_json
from harness.errors import UsageError
from harness.home import Home, find_home
from harness.labels import MINIMUM_REPEATS, LabelContext, label_of
from harness.runs import RunFolder, open_run
from harness.schemas import validate
from harness.systems.fuse import SYSTEMS

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "frame_of",
    "label_cases",
    "load_cases",
    "load_results",
    "rounds_tried",
    "trials_beside",
    "validate",
    "workload_of",
    "write_cases",
]

REFERENCE: Final = "pond"
_NOT_WORKLOAD: Final = frozenset(
    ("s3", "s3_version", "cache_bytes", "page_cache", "ceiling", "rounds", "judged", "fidelity")
)
_OF_OUTCOMES: Final = ("wall_s", "overhead_s", "cgroup")
_UNCHECKED: Final = {"ok": False, "checked": 0, "wrong": 0}


def write_cases(run: RunFolder) -> list[dict[str, Any]]:
    """Make the results of all units that are complete, and write them."""
    facts, units = run.facts(), run.units()
    cases = [_case(facts, described, units, run.run_id) for described in facts["cases"]]
    rounds = {case["id"]: rounds_tried(case["id"], units) for case in cases}
    label_cases(cases, rounds, beside=cases, minimum_repeats=facts["minimum_repeats"])
    for case in cases:
        validate(case)
        write_json(run.folder / f"{case['id']}.json", case)
    return cases


def label_cases(
    cases: Sequence[dict[str, Any]],
    rounds: Mapping[str, int],
    *,
    beside: Sequence[Mapping[str, Any]],
    minimum_repeats: int = MINIMUM_REPEATS,
) -> None:
    """Write each case's label and its reasons into it.

    Parameters
    ----------
    cases
        What is labelled.
    rounds
        In how many rounds each was tried, by its id.
    beside
        The results whose pond rows say how large a peer's cache has to be.
    minimum_repeats
        What the suite asks for.
    """
    references = _reference_cache_bytes(beside)
    for case in cases:
        context = LabelContext(
            case=case,
            minimum_repeats=minimum_repeats,
            rounds=rounds[case["id"]],
            reference_cache_bytes=references.get(workload_of(case), frozenset()),
            layout=SYSTEMS[case["system"]].layout,
        )
        case["label"], case["label_reasons"] = label_of(context)


def workload_of(case: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what was done with the files: what two cases must share to be compared, whatever the system."""
    params = {name: value for name, value in case["params"].items() if name not in _NOT_WORKLOAD}
    return (case["mode"], *sorted((name, str(value)) for name, value in params.items()))


def _reference_cache_bytes(cases: Sequence[Mapping[str, Any]]) -> dict[tuple[object, ...], frozenset[int]]:
    """Return the cache sizes of pond's rows by workload: a peer's cache has to equal one of them."""
    found: dict[tuple[object, ...], set[int]] = {}
    for case in cases:
        if case["system"] == REFERENCE and case["params"]["cache_bytes"] is not None:
            found.setdefault(workload_of(case), set()).add(case["params"]["cache_bytes"])
    return {workload: frozenset(sizes) for workload, sizes in found.items()}


def rounds_tried(case_id: str, units: Sequence[Mapping[str, Any]]) -> int:
    """Return in how many rounds a run tried a case."""
    tried = {unit["round"] for unit in units for outcome in unit["outcomes"] if outcome["case"] == case_id}
    return len(tried)


def _case(
    facts: Mapping[str, Any], described: Mapping[str, Any], units: Sequence[Mapping[str, Any]], run_id: str
) -> dict[str, Any]:
    spec = described["spec"]
    outcomes = [
        (unit, order, outcome)
        for unit in units
        for order, outcome in enumerate(unit["outcomes"], 1)
        if outcome["case"] == described["id"]
    ]
    trials = [
        _trial(outcome, unit, order, facts, run_id) for unit, order, outcome in outcomes if outcome["trial"]
    ]
    first = next((outcome["trial"] for _, _, outcome in outcomes if outcome["trial"]), None)
    failures = [(unit["round"], outcome) for unit, _, outcome in outcomes if not outcome["trial"]]
    status, reason = "ok", None
    if described["missing"]:
        status, reason = "not_installed", described["missing"]
    elif failures:
        status = failures[0][1]["status"]
        reason = "; ".join(f"round {number}: {outcome['reason']}" for number, outcome in failures)
    elif not outcomes:
        status, reason = "skipped", "the run stopped before it"
    return {
        "schema": 1,
        "id": described["id"],
        "suite": facts["suite"],
        "system": spec["system"],
        "system_version": described["version"],
        "system_digest": described["digest"],
        "config": spec["config"],
        "workload": spec["access"],
        "params": {
            "access": spec["access"],
            "loader": spec["loader"],
            "batch_size": spec["batch_size"],
            "workers": spec["workers"],
            "image_px": spec["image_px"],
            "s3": spec["s3"],
            "s3_version": facts["s3_version"],
            "cache_bytes": first["cache_bytes"] if first else None,
            "page_cache": first["page_cache"] if first else False,
            "ceiling": described["ceiling"],
            "rounds": facts["rounds"],
            "judged": facts["judged"],
        },
        "scale": spec["scale"],
        "mode": spec["mode"],
        "hinted": bool(described.get("hinted")),
        "seeds": facts["seeds"],
        "status": status,
        "reason": reason,
        "dataset": facts["dataset"],
        "machine": facts["machine"],
        "machine_id": facts["machine_id"],
        "commit": facts["commit"],
        "dirty": facts["dirty"],
        "trials": trials,
    }


def _trial(
    outcome: Mapping[str, Any],
    unit: Mapping[str, Any],
    order: int,
    facts: Mapping[str, Any],
    run_id: str,
) -> dict[str, Any]:
    trial = outcome["trial"]
    answer = {name: (trial["verdict"] or _UNCHECKED)[name] for name in ("ok", "checked", "wrong")}
    neighbours = {"neighbours": unit["neighbours"]} if unit.get("neighbours") else {}
    return {
        "run_id": run_id,
        "round": unit["round"],
        "commit": facts["commit"],
        "argv": trial["argv"],
        "cpus": trial["cpus"],
        "order": order,
        "other_cpu_share": unit["other_cpu_share"],
        "attempts": unit["attempts"],
        "noisy": unit["noisy"],
        **neighbours,
        "epochs": [{**epoch, "verdict": answer} for epoch in trial["epochs"]],
        **{name: outcome[name] for name in _OF_OUTCOMES if outcome.get(name) is not None},
    }


def trials_beside(
    before: Mapping[str, Any], now: Mapping[str, Any], staying: Iterable[Mapping[str, Any]]
) -> list[Any]:
    """Return a case's published trials of those runs that cases which stay have trials of, too; `now` replaces its others."""
    needed = {trial["run_id"] for case in staying for trial in case["trials"]}
    needed -= {trial["run_id"] for trial in now["trials"]}
    return [trial for trial in before["trials"] if trial["run_id"] in needed]


def load_cases(suite: str, home: Home | None = None, run_id: str | None = None) -> list[dict[str, Any]]:
    """Return the published results of a suite, or those of one run on this machine.

    Raises
    ------
    UsageError
        When there is no such run, or it is of another suite.
    """
    home = home or find_home()
    if run_id is not None:
        run = open_run(home, run_id, any_kind=True)
        if (its := run.facts()["suite"]) != suite:
            raise UsageError(f"run {run.run_id} is of suite {its!r}, not {suite!r}: --suite {its} shows it")
        return run.cases()
    return [json.loads(path.read_text()) for path in sorted((home.results / suite).glob("*/*.json"))]


def load_results(suite: str, home: Home | None = None, run_id: str | None = None) -> pd.DataFrame:
    """Return all samples of a suite as a table, one row a sample.

    Parameters
    ----------
    suite
        Its name, as in ``results/<suite>/``.
    home
        Where results lie; the repository when left out.
    run_id
        A run on this machine in the place of what is published; ``last`` is the newest.

    Returns
    -------
    pandas.DataFrame
        Columns of the case (``suite system config access mode hinted scale label status verdict commit machine_id
        files bytes_needed``), of the trial (``run_id round noisy``), ``state``, and ``sample``, ``value``. Requests,
        CPU seconds and memory are samples too: ``s3.get``, ``cpu_s.system``, ``peak_rss_bytes``. Times of a trial
        whose verdict failed are left out.
    """
    return frame_of(load_cases(suite, home, run_id))


def frame_of(cases: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the samples of some results as a table."""
    import pandas as pd

    rows = [row for case in cases for row in _rows(case)]
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS: Final = [
    "suite", "case", "system", "config", "access", "mode", "hinted", "scale", "loader", "s3", "label", "status",
    "verdict", "commit", "dirty", "machine_id", "files", "bytes_needed", "run_id", "round", "noisy", "state",
    "sample", "value",
]  # fmt: skip


def _rows(case: Mapping[str, Any]) -> Iterable[dict[str, object]]:
    shared = {
        "suite": case["suite"],
        "case": case["id"],
        "system": case["system"],
        "config": case["config"],
        "access": case["params"]["access"],
        "mode": case["mode"],
        "hinted": case["hinted"],
        "scale": case["scale"],
        "loader": case["params"]["loader"],
        "s3": case["params"]["s3"],
        "label": case["label"],
        "status": case["status"],
        "commit": case["commit"],
        "dirty": case["dirty"],
        "machine_id": case["machine_id"],
        "files": case["dataset"]["files"],
        "bytes_needed": case["dataset"]["bytes"],
    }
    verdicts = [epoch["verdict"] for trial in case["trials"] for epoch in trial["epochs"]]
    any_wrong = any(_is_wrong(verdict) for verdict in verdicts)
    for trial in case["trials"]:
        for epoch in trial["epochs"]:
            mine = shared | {
                "run_id": trial["run_id"],
                "round": trial["round"],
                "noisy": bool(trial.get("noisy")),
                "state": epoch["state"],
                "verdict": _verdict(epoch["verdict"]),
            }
            # A trial that was not compared is as good as those that were.
            failed = _is_wrong(epoch["verdict"]) or (any_wrong and not epoch["verdict"]["checked"])
            for name, value in _samples(epoch):
                if failed and _is_time(name):
                    continue
                yield mine | {"sample": name, "value": value}


def _is_wrong(verdict: Mapping[str, Any]) -> bool:
    return bool(verdict["checked"]) and not verdict["ok"]


def _is_time(name: str) -> bool:
    return name.endswith(("_s", "_per_s")) or name.startswith("cpu_s.")


def _verdict(verdict: Mapping[str, Any]) -> str:
    if not verdict["checked"]:
        return "unchecked"
    return "ok" if verdict["ok"] else f"{verdict['wrong']} wrong"


def _samples(epoch: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    groups = {"": epoch["samples"], "s3.": epoch["s3"] or {}, "cpu_s.": epoch["cpu_s"]}
    for prefix, group in groups.items():
        for name, value in group.items():
            if value is not None:
                yield prefix + name, float(value)
    for name in ("peak_rss_bytes", "page_cache_bytes"):
        if epoch[name] is not None:
            yield name, float(epoch[name])
