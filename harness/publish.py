"""Publishing: a run's results, scrubbed of what names a person or a place, into the repository's tree.

What leaves: absolute paths, host and user names, addresses. A result is built without them; this is the second look,
and it is what the test holds on to. Variables of the environment were never more than an allow-list.
"""

from __future__ import annotations

import getpass
import json
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.durable import append_line, write_json
from harness.errors import HarnessError
from harness.home import Home
from harness.labels import MINIMUM_REPEATS
from harness.machine import ENVIRONMENT
from harness.results import label_cases, rounds_tried, trials_beside, validate, workload_of
from harness.runs import RunFolder
from harness.storesuites import STORE_SUITES
from harness.summary import BASELINE, NO_NETWORK, NULL_FUSE, as_flat, rows_of
from harness.systems.fuse import CEILING
from harness.wording import command

__all__ = ["publish", "scrub"]

_OF_HISTORY: Final = (
    "system", "config", "access", "state", "mode", "s3", "median_s", "ratio_to_tmpfs", "n", "bound_by", "label",
)  # fmt: skip

_PATH: Final = re.compile(r"(?<![\w.<>:/-])(?:file://|~)?(?:/[\w.@%+=,~-]+)+/?")
_URL: Final = re.compile(r"\b(?:https?|s3|gs|az)://[^\s\"']+")
_ADDRESS: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")
_KNOWN_URLS: Final = ("https://github.com/awslabs/mountpoint-s3",)
_SHORTEST_NAME: Final = 3

_Case = Mapping[str, Any]


def _private_names() -> list[str]:
    names = {platform.node(), platform.node().partition(".")[0]}
    try:
        names.add(getpass.getuser())
    except (KeyError, OSError):
        names.discard("")
    common = {"root", "vm", "localhost", "linux", "user"}
    return sorted(n for n in names if len(n) >= _SHORTEST_NAME and n.lower() not in common)


def _clean(text: str, names: Sequence[str]) -> str:
    kept: list[str] = []

    def url(match: re.Match[str]) -> str:
        if match[0].startswith(_KNOWN_URLS):
            kept.append(match[0])
            return f"\0{len(kept) - 1}\0"
        return "<url>"

    text = _URL.sub(url, text)
    text = _PATH.sub("<path>", text)
    text = _ADDRESS.sub("<address>", text)
    for name in names:
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "<name>", text)
    return re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], text)


def scrub(value: Any, names: Sequence[str] | None = None) -> Any:
    """Return a result without paths, addresses, host and user names; `names` are further ones to take out."""
    private = [*_private_names(), *(names or ())]
    if isinstance(value, str):
        return _clean(value, private)
    if isinstance(value, Mapping):
        kept = {key: scrub(item, names) for key, item in value.items()}
        if isinstance(kept.get("environment"), Mapping):
            kept["environment"] = {k: v for k, v in kept["environment"].items() if k in ENVIRONMENT}
        return kept
    if isinstance(value, list):
        return [scrub(item, names) for item in value]
    return value


def publish(run: RunFolder, home: Home) -> list[Path]:
    """Put a whole run's results into ``results/<suite>/<machine_id>/`` and a line into ``history.jsonl``.

    A case that has trials replaces its predecessor; one without does so only where its predecessor has none either. Of
    what others are held against (the ceiling, null, Mountpoint without a cache, rows without a network), trials of other
    runs on the same data stay as long as another case there needs them.

    Raises
    ------
    HarnessError
        When the run is not complete, has nothing to publish, its id is published with other trials, or a result does not
        fit the schema.
    """
    if stores := STORE_SUITES.get(run.facts()["suite"]):
        return stores.publish_cases(run, [scrub(case) for case in run.cases()], home)
    if not run.complete():
        again = command(f"run {run.facts()['suite']} --resume {run.run_id}")
        raise HarnessError(f"run {run.run_id} is not complete: go on with {again}")
    facts = run.facts()
    cases = [scrub(case) for case in run.cases()]
    folder = home.results / facts["suite"] / facts["machine_id"]
    there = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    _refuse_a_used_id(run.run_id, cases, home.results / facts["suite"], facts["machine_id"])
    fresh = {
        case["id"]: case for case in cases if case["trials"] or not there.get(case["id"], {}).get("trials")
    }
    if not fresh:
        raise HarnessError(f"run {run.run_id} has no figure that could replace what is published")
    line = _history(run, facts, list(fresh.values()))  # of this run alone
    staying = [case for name, case in there.items() if name not in fresh]
    units = run.units()
    merged, rounds = [], {}
    for name, case in fresh.items():
        kept = _kept(there[name], case, staying) if name in there else []
        if kept:
            case["trials"] += kept
            rounds[name] = rounds_tried(name, units) + len(kept)
            merged.append(case)
    minimum = facts.get("minimum_repeats", MINIMUM_REPEATS)
    label_cases(merged, rounds, beside=[*staying, *fresh.values()], minimum_repeats=minimum)
    for case in cases:
        validate(case)
    for name, case in fresh.items():
        write_json(folder / f"{name}.json", case)
    append_line(home.results / facts["suite"] / "history.jsonl", line)
    return [folder / f"{name}.json" for name in fresh]


def _refuse_a_used_id(run_id: str, cases: Sequence[_Case], suite: Path, machine_id: str) -> None:
    """Samples are joined by run and round: one id may name one run's only."""
    ours = {(machine_id, case["id"]): _samples(case, run_id) for case in cases}
    for path in sorted(suite.glob("*/*.json")):
        published = _samples(json.loads(path.read_text()), run_id)
        mine = ours.get((path.parent.name, path.stem), {})
        if any(mine.get(number) != samples for number, samples in published.items()):
            raise HarnessError(
                f"run {run_id} is published already with other trials of {path.stem}: measure under another --run-id"
            )


def _samples(case: _Case, run_id: str) -> dict[int, Any]:
    return {
        trial["round"]: [(epoch["state"], epoch["samples"]) for epoch in trial["epochs"]]
        for trial in case["trials"]
        if trial["run_id"] == run_id
    }


def _kept(before: _Case, now: _Case, staying: Sequence[_Case]) -> list[Any]:
    """Return the trials of a case's predecessor that a case which stays is held against."""
    program = "system_digest"
    if before["label"] == "INVALID" or before[program] != now[program] or _ground(before) != _ground(now):
        return []
    return trials_beside(before, now, [case for case in staying if _is_held_against(case, before)])


def _is_held_against(case: _Case, other: _Case) -> bool:
    """Say whether a row of one case shows a figure of another's: a ratio, a speedup or a rung of its ladder."""
    if _ground(case) != _ground(other) or case["id"] == other["id"]:
        return False
    who, s3 = (other["system"], other["config"]), other["params"]["s3"]
    own_rung = s3 == NO_NETWORK and who == (case["system"], case["config"])
    return who in (CEILING, NULL_FUSE) or own_rung or (who == BASELINE and s3 == case["params"]["s3"])


def _ground(case: _Case) -> tuple[object, ...]:
    return (case["dataset"]["digest"], case["scale"], workload_of(case))


def _history(
    run: RunFolder, facts: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]
) -> dict[str, object]:
    flat = [as_flat(row) for row in rows_of(cases)]
    return {
        "run_id": run.run_id,
        "suite": facts["suite"],
        "machine_id": facts["machine_id"],
        "commit": facts["commit"],
        "dirty": facts["dirty"],
        "scale": cases[0]["scale"] if cases else None,
        "rows": [{name: row[name] for name in _OF_HISTORY} for row in flat],
    }
