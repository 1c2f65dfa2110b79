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

from harness import podmicro
from harness.durable import append_line, write_json
from harness.errors import HarnessError
from harness.home import Home
from harness.machine import ENVIRONMENT
from harness.results import validate
from harness.runs import RunFolder
from harness.summary import as_flat, rows_of
from harness.systems.fuse import CEILING

__all__ = ["publish", "scrub"]

_OF_HISTORY: Final = (
    "system", "config", "access", "state", "mode", "s3", "median_s", "ratio_to_tmpfs", "n", "bound_by", "label",
)  # fmt: skip

_PATH: Final = re.compile(r"(?<![\w.<>:/-])(?:file://|~)?(?:/[\w.@%+=,~-]+)+/?")
_URL: Final = re.compile(r"\b(?:https?|s3|gs|az)://[^\s\"']+")
_ADDRESS: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")
_KNOWN_URLS: Final = ("https://github.com/awslabs/mountpoint-s3",)
_SHORTEST_NAME: Final = 3


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

    A case replaces its predecessor. Of the ceiling, trials of other runs stay as long as another case there needs them
    to be compared with.

    Raises
    ------
    HarnessError
        When the run is not complete, or a result does not fit the schema.
    """
    if run.facts()["suite"] == podmicro.SUITE:
        return podmicro.publish_cases(run, [scrub(case) for case in run.cases()], home)
    if not run.complete():
        raise HarnessError(f"run {run.run_id} is not complete: go on with harness run --resume {run.run_id}")
    facts = run.facts()
    cases = [scrub(case) for case in run.cases()]
    for case in cases:
        validate(case)
    folder = home.results / facts["suite"] / facts["machine_id"]
    there = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    fresh = {case["id"]: case for case in cases}
    needed = {
        trial["run_id"]
        for name, case in there.items()
        if name not in fresh and (case["system"], case["config"]) != CEILING
        for trial in case["trials"]
    }
    written = []
    for name, case in fresh.items():
        if (case["system"], case["config"]) == CEILING and name in there:
            case["trials"] += [trial for trial in there[name]["trials"] if trial["run_id"] in needed]
        write_json(folder / f"{name}.json", case)
        written.append(folder / f"{name}.json")
    append_line(home.results / facts["suite"] / "history.jsonl", _history(run, facts, cases))
    return written


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
