"""Result files: made from a run's units, validated on write, and read back as one table of samples."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.durable import write_json
from harness.errors import ResultInvalid
from harness.home import Home, find_home
from harness.labels import LabelContext, label_of
from harness.runs import RunFolder, open_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_of", "load_cases", "load_results", "validate", "write_cases"]

SCHEMA_FILE: Final = Path(__file__).parent / "schema" / "result.schema.json"
_UNCHECKED: Final = {"ok": False, "checked": 0, "wrong": 0}


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))


def validate(case: Mapping[str, Any]) -> None:
    """Check one result against ``harness/schema/result.schema.json``.

    Raises
    ------
    ResultInvalid
        Naming the first place that does not fit.
    """
    for error in _validator().iter_errors(case):
        raise ResultInvalid(f"{case.get('id', 'a result')}: {error.json_path}: {error.message}")


def write_cases(run: RunFolder) -> list[dict[str, Any]]:
    """Make the results of all units that are complete, and write them."""
    facts, units = run.facts(), run.units()
    cases = []
    for described in facts["cases"]:
        case = _case(facts, described, units, run.run_id)
        validate(case)
        write_json(run.folder / f"{case['id']}.json", case)
        cases.append(case)
    return cases


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
    verdict = next(
        (o["trial"]["verdict"] for _, _, o in outcomes if o["trial"] and o["trial"]["verdict"]), None
    )
    trials = [
        _trial(outcome["trial"], unit, order, facts, run_id, verdict)
        for unit, order, outcome in outcomes
        if outcome["trial"]
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
    case = {
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
        "hinted": False,
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
    rounds = len({unit["round"] for unit, _, _ in outcomes})
    context = LabelContext(case=case, minimum_repeats=facts["minimum_repeats"], rounds=rounds)
    case["label"], case["label_reasons"] = label_of(context)
    return case


def _trial(
    trial: Mapping[str, Any],
    unit: Mapping[str, Any],
    order: int,
    facts: Mapping[str, Any],
    run_id: str,
    verdict: Mapping[str, Any] | None,
) -> dict[str, Any]:
    answer = {name: (verdict or _UNCHECKED)[name] for name in ("ok", "checked", "wrong")}
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
        "epochs": [{**epoch, "verdict": answer} for epoch in trial["epochs"]],
    }


def load_cases(suite: str, home: Home | None = None, run_id: str | None = None) -> list[dict[str, Any]]:
    """Return the published results of a suite, or those of one run on this machine."""
    home = home or find_home()
    if run_id is not None:
        return [case for case in open_run(home, run_id).cases() if case["suite"] == suite]
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
        CPU seconds and memory are samples too: ``s3.get``, ``cpu_s.system``, ``peak_rss_bytes``.
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
    for trial in case["trials"]:
        for epoch in trial["epochs"]:
            mine = shared | {
                "run_id": trial["run_id"],
                "round": trial["round"],
                "noisy": bool(trial.get("noisy")),
                "state": epoch["state"],
                "verdict": _verdict(epoch["verdict"]),
            }
            for name, value in _samples(epoch):
                yield mine | {"sample": name, "value": value}


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
