"""The suite's table: on the terminal after a run, and in README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console

from harness.home import Home
from harness.podbench._results import SUITE, WITHOUT
from harness.podbench._rows import Row, place_of, rows_of, verdict_text
from harness.results import load_cases
from harness.statistics import Estimate
from harness.stores import NOTHING, machine_text, markdown, print_lines, size_text

__all__ = ["BEGIN", "END", "print_table", "render"]

BEGIN: Final = f"<!-- results:{SUITE} begin -->"
END: Final = f"<!-- results:{SUITE} end -->"
_HEAD: Final = (
    "Workload", "Scale", "System", "Storage", "Blocked, a save", "Partial load", "Cold load", "Right", "Smaller", "Shorter", "Load",
    "Published", "n", "Label",
)  # fmt: skip
_LEFT: Final = 3
_SHORT: Final = ("pod", "pga")
"""README begins with what these save of the best baseline's."""
_FIRST: Final = ("snp", "dill", "shev", "zosp", "zodb", "criu", "kishu", "pga", "pod")
"""README shows these; the other systems' rows are folded below."""
_RATIOS: Final = ("storage_bytes", "blocked_s", "load_s")


def _seconds(value: Estimate | None) -> str:
    if value is None:
        return NOTHING
    return f"{value.median * 1000:,.1f} ms" if value.median < 1 else f"{value.median:.2f} s"


def _ratio(value: float | None) -> str:
    """Return a ratio as the published tables write it: one decimal above 1, two below."""
    if value is None:
        return NOTHING
    return f"{value:,.1f}x" if value > 1 else f"{value:.2f}x"


def _published(row: Row) -> str:
    if row.published is None or not row.published.ratios:
        return NOTHING
    return " / ".join(_ratio(row.published.ratios.get(metric)) for metric in _RATIOS)


def _line(row: Row) -> tuple[str, ...]:
    case, figures = row.case, row.figures
    reasons = f" ({'; '.join(case['label_reasons'])})" if case["label_reasons"] else ""
    start, end = (
        (case["workload"], f"{case['scale']:g}", case["system"]),
        (str(row.n), case["label"] + reasons),
    )
    if not row.shown:
        return (*start, *[NOTHING] * 4, verdict_text(case), *[NOTHING] * 3, _published(row), *end)
    ratios = (row.ratios[metric] for metric in _RATIOS)
    return (
        *start,
        size_text(figures["storage_bytes"].median if figures["storage_bytes"] else None),
        *(_seconds(figures[metric]) for metric in ("blocked_s", "load_s", "cold_load_s")),
        verdict_text(case),
        *(_ratio(ratio.median if ratio else None) for ratio in ratios),
        _published(row),
        *end,
    )


def _bound_lines(rows: Sequence[Row]) -> list[str]:
    """Return one line for each bound, with what was measured."""
    return [
        f"{'holds ' if held.holds else 'MISSED'} {row.case['system']} on {row.case['workload']}: {held.bound.text}: "
        + (f"{held.value:.0f} wrong" if held.bound.is_verdict else f"{held.value:.4g}")
        + f" (n = {held.rounds.n})"
        for row in rows
        for held in row.held
    ]


def print_table(cases: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the results of a run, what must hold of them, and what is wrong with them."""
    rows = rows_of(sorted(cases, key=place_of))
    say = print_lines(
        _HEAD, [(*line[:-1], line[-1].partition(" ")[0]) for line in map(_line, rows)], _LEFT, console
    )
    for line in _bound_lines(rows):
        say(line)
    reasons = (
        reason
        for case in cases
        if case["trials"] and case["label"] == "OPEN"
        for reason in case["label_reasons"]
    )
    for reason in sorted(set(reasons)):
        say(f"a reservation: {reason}")
    for case in cases:
        if case["status"] != "ok" or case["label"] == "INVALID":
            say(f"{case['id']}: {case['label']}: {'; '.join(case['label_reasons'])}")
        if first := _first_wrong(case):
            say(f"{case['id']}: {first}")
        if case["unsaved"]:
            say(f"{case['id']}: unsaved: {', '.join(sorted(case['unsaved']))}")


def _first_wrong(case: Mapping[str, Any]) -> str | None:
    verdicts = (trial[state]["verdict"] for trial in case["trials"] for state in ("warm", "cold"))
    return next((str(verdict["first_wrong"]) for verdict in verdicts if verdict["first_wrong"]), None)


def _caption(cases: Sequence[Mapping[str, Any]]) -> str:
    fidelity = "" if cases[0]["fidelity"] == "fixed" else f"Fidelity {cases[0]['fidelity']}. "
    return (
        f"{fidelity}{machine_text(cases)}. Scale: share of the published size. Medians of n interleaved rounds. "
        "Blocked: the mean of what a save makes the user wait, by the published definition. Load: the median over all "
        "versions of loading what their cell needed; cold: in a fresh process, pages dropped. Right: loads equal to the "
        "reference run by the oracle, of those compared. Smaller, shorter, load: the best of snp, dill, shev, zodb and zosp "
        "over the system, round by round; published: the same three of the published runs, at their size and on their machine."
    )


def _short(rows: Sequence[Row]) -> list[str]:
    """Return a small table: a line for each workload, and of each figure what was measured and what was published."""
    places: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        if row.case["system"] in _SHORT and row.shown and row.ratios["storage_bytes"] is not None:
            place = (row.case["workload"], f"{row.case['scale']:g}")
            places.setdefault(place, {})[row.case["system"]] = row
    lines = []
    for place, found in places.items():
        if len(found) < len(_SHORT):
            continue
        shown, published = [found[name] for name in _SHORT], found["pga"].published
        cells = list(place)
        for metric in _RATIOS:
            cells += [_ratio(ratio.median if (ratio := row.ratios[metric]) else None) for row in shown]
            cells.append(_ratio(published.ratios.get(metric) if published else None))
        cells += [verdict_text(row.case) for row in shown]
        lines.append((*cells, str(min(row.n for row in shown))))
    if not lines:
        return []
    head = ["Workload", "Scale"]
    for what in ("Smaller", "Saves block shorter", "Loads are shorter"):
        head += [f"{what}: pod", "pga", "published"]
    return [
        "In short: the best of snp, dill, shev, zodb and zosp over pod, and over pga, which is the published system on our engine.",
        "",
        *markdown((*head, "Right: pod", "pga", "n"), lines, 2),
        "",
    ]


def render(home: Home) -> str:
    """Return what stands between the markers in README."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for case in load_cases(SUITE, home):
        groups.setdefault((case["machine_id"], case["fidelity"]), []).append(case)
    lines = [BEGIN, ""]
    if not groups:
        lines += [
            "No results are published yet: `make bench-pod`, then `.venv/bin/harness publish last`.",
            "",
        ]
    for key in sorted(groups):
        cases = sorted(groups[key], key=place_of)
        tried = [case for case in cases if case["status"] not in WITHOUT]
        rows = rows_of(tried)
        first, others = (
            [row for row in rows if (row.case["system"] in _FIRST) is is_first] for is_first in (True, False)
        )
        lines += [
            *_short(rows),
            _caption(tried or cases),
            "",
            *markdown(_HEAD, [_line(row) for row in first], _LEFT),
            "",
        ]
        if others:
            names = ", ".join(dict.fromkeys(row.case["system"] for row in others))
            lines += ["<details>", f"<summary>{names}</summary>", ""]
            lines += [*markdown(_HEAD, [_line(row) for row in others], _LEFT), "", "</details>", ""]
        missed = [line.removeprefix("MISSED ") for line in _bound_lines(rows) if line.startswith("MISSED")]
        lines += (
            ["What must hold, and does not:", "", *(f"- {text}" for text in missed), ""] if missed else []
        )
        missing = sorted(
            {f"{case['system']}: {case['reason']}" for case in cases if case["status"] in WITHOUT}
        )
        lines += ["Not measured there:", "", *(f"- {text}" for text in missing), ""] if missing else []
    return "\n".join([*lines, END])
