"""README's results: rendered from what is published, between two markers, and checked against it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from harness.durable import write_text
from harness.errors import HarnessError
from harness.formats import (
    NOTHING,
    amplification,
    bound_text,
    cache_text,
    count,
    interval_ratio,
    pairs_text,
    seconds,
    speedup,
    work_text,
)
from harness.home import Home
from harness.results import load_cases
from harness.storesuites import STORE_SUITES
from harness.summary import Row, rows_of, table_of

__all__ = ["check_readme", "render", "write_readme"]

BEGIN: Final = "<!-- results:fuse begin -->"
END: Final = "<!-- results:fuse end -->"
SUITES: Final = ("fuse-peers", "fuse")
_HEAD: Final = (
    "FUSE", "Access pattern", "Cache", "Empty cache time", "Speedup", "Warm cache time", "Speedup",
    "x tmpfs, empty", "x tmpfs, warm", "Requests, empty / warm", "Fetched / needed, empty",
    "Bound by, empty / warm", "n", "Label",
)  # fmt: skip
_SEED_HEAD: Final = _HEAD[:7]
_BRIEF_HEAD: Final = (
    "pond's cache", "Access pattern", "S3", "Saved, empty cache", "Published", "Saved, warm cache", "Published", "n",
    "Label",
)  # fmt: skip
_LAST: Final = ("pond", "pond-blind", "null", "tmpfs")  # the others, peers, stand before them


def _markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    rule = [":--:" if index < 3 else "--:" for index in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)]


def _seed_rows(home: Home) -> list[dict[str, str]]:
    with (home.published / "pond_readme.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _seed(home: Home) -> list[str]:
    """Return the published table of the seed, by its own figures."""
    lines = [
        (
            row["system"],
            row["access_pattern"],
            row["cache"],
            f"{row['empty_cache_s']} s",
            f"{row['empty_cache_speedup_pct']}%",
            f"{row['warm_cache_s']} s",
            f"{row['warm_cache_speedup_pct']}%",
        )
        for row in _seed_rows(home)
    ]
    return _markdown(_SEED_HEAD, lines)


def _brief(home: Home) -> list[str]:
    """Return how much of Mountpoint's time without a cache pond saves, here and as published; empty without such results.

    Of each cache and access pattern, the results that rest on the most rounds are shown.
    """
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for suite in SUITES:
        for row in rows_of(load_cases(suite, home)):
            if row.case["system"] == "pond" and row.shown and row.versus_baseline is not None:
                found.setdefault((suite, row.case["id"], row.case["machine_id"]), {})[row.state] = row
    best: dict[tuple[str, str], dict[str, Row]] = {}
    for states in found.values():
        case = next(iter(states.values())).case
        place = (case["params"]["access"], case["config"])
        if _pairs(states) > _pairs(best.get(place, {})):
            best[place] = states
    if not best:
        return []
    seed = {
        (row["access_pattern"], row["cache"].partition("-")[0]): row
        for row in _seed_rows(home)
        if row["system"] == "pond"
    }
    lines = []
    for place in sorted(best):
        states, published = best[place], seed.get(place, {})
        case = states["cold"].case
        warm = states.get("warm")
        lines.append(
            (
                cache_text(case),
                place[0],
                str(case["params"]["s3"]),
                speedup(states["cold"].versus_baseline),
                f"{published.get('empty_cache_speedup_pct', NOTHING)}%",
                speedup(warm.versus_baseline if warm else None),
                f"{published.get('warm_cache_speedup_pct', NOTHING)}%",
                str(_pairs(states)),
                case["label"],
            )
        )
    return [
        "In short: what pond saves of the time that Mountpoint takes without a cache.",
        "",
        *_markdown(_BRIEF_HEAD, lines),
        "",
    ]


def _pairs(states: Mapping[str, Row]) -> int:
    """Return the number of rounds in which both were measured with an empty cache."""
    cold = states.get("cold")
    return cold.versus_baseline.n if cold is not None and cold.versus_baseline is not None else 0


def _order(case: Mapping[str, Any]) -> tuple[object, ...]:
    system = case["system"]
    place = _LAST.index(system) if system in _LAST else -1
    return (case["params"]["access"], place, system, case["params"]["cache_bytes"] or 0, case["config"])


def _line(case: Mapping[str, Any], states: Mapping[str, Row]) -> Sequence[str]:
    name = f"{case['system']} {case['system_version']}"
    start = (name, case["params"]["access"], cache_text(case))
    cold, warm = states.get("cold"), states.get("warm")
    reasons = "; ".join(case["label_reasons"])
    label = f"{case['label']} ({reasons})" if reasons else case["label"]
    if cold is None or warm is None or not cold.shown:
        return (*start, *[NOTHING] * (len(_HEAD) - len(start) - 1), label)
    n = cold.seconds.n if cold.seconds else 0
    return (
        *start,
        seconds(cold.seconds),
        speedup(cold.versus_baseline) + pairs_text(cold.versus_baseline, n),
        seconds(warm.seconds),
        speedup(warm.versus_baseline) + pairs_text(warm.versus_baseline, n),
        interval_ratio(cold.ratio) + pairs_text(cold.ratio, n),
        interval_ratio(warm.ratio) + pairs_text(warm.ratio, n),
        f"{count(cold.requests)} / {count(warm.requests)}",
        amplification(cold),
        f"{bound_text(cold)} / {bound_text(warm)}",
        str(n),
        label,
    )


def _machine(case: Mapping[str, Any]) -> str:
    machine = case["machine"]
    return (
        f"{machine['cores']} cores ({machine['cpu_model']}), {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"machine `{case['machine_id']}`"
    )


def _caption(cases: Sequence[Mapping[str, Any]]) -> str:
    first = cases[0]
    commits = sorted({case["commit"][:12] + (" with changes" if case["dirty"] else "") for case in cases})
    hinted = "told the order beforehand (hinted); " if first["hinted"] else ""
    return (
        f"Scale {first['scale']}: {first['dataset']['files']:,} files, {first['dataset']['bytes'] / 2**20:,.0f} MiB "
        f"({first['dataset']['name']}); {hinted}{work_text(first)}; "
        f"S3 {first['params']['s3']}; {_machine(first)}; commit {', '.join(commits)}. Median of n rounds; ratios are "
        "medians of per-round ratios with a bootstrap 95 % interval."
    )


def _table(cases: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> list[str]:
    """Return the table of one machine, scale and S3 with the caption that says what it is."""
    states: dict[str, dict[str, Row]] = {}
    for row in rows:
        states.setdefault(row.case["id"], {})[row.state] = row
    shown = [
        c for c in sorted(cases, key=_order) if c["label"] != "INVALID" and c["status"] != "not_installed"
    ]
    if not shown:
        return []
    lines = [_line(case, states[case["id"]]) for case in shown]
    warned = [
        f"- {case['system']} {case['config']}, {case['params']['access']}, {state}: {'; '.join(row.warnings)}"
        for case in shown
        for state, row in states[case["id"]].items()
        if row.warnings
    ]
    missing = sorted({case["system"] for case in cases if case["status"] == "not_installed"})
    notes = [f"Not installed there: {', '.join(missing)}.", ""] if missing else []
    notes += ["Warnings:", "", *warned, ""] if warned else []
    return [_caption(shown), "", *_markdown(_HEAD, lines), "", *notes]


def _tables(suite: str, home: Home) -> list[str]:
    """Return a suite's tables: one for each machine, scale, workload, class and S3."""
    cases = load_cases(suite, home)
    rows = rows_of(cases)

    groups: dict[tuple[object, ...], list[Mapping[str, Any]]] = {}
    for case in cases:
        groups.setdefault(table_of(case), []).append(case)
    lines: list[str] = []
    for key in sorted(groups, key=str):
        lines += _table(groups[key], [row for row in rows if table_of(row.case) == key])
    return lines


def render(home: Home) -> str:
    """Return what stands between the markers."""
    lines = [line for suite in SUITES for line in _tables(suite, home)]
    return "\n".join(
        [
            BEGIN,
            "",
            *_brief(home),
            *(
                lines
                or [
                    "No results are published yet: `make bench-fuse`, then `.venv/bin/harness publish last`.",
                    "",
                ]
            ),
            "Published by the seed: real size (118,287 files, 18.2 GiB), an EC2 `t4g.2xlarge`, real S3, n = 1.",
            "",
            *_seed(home),
            "",
            END,
        ]
    )


def _with_results(home: Home) -> tuple[str, str]:
    try:
        now = home.readme.read_text()
    except FileNotFoundError:
        raise HarnessError(f"there is no {home.readme.name} to write into") from None
    then = now
    parts = [(suite.begin, suite.end, suite.render) for suite in STORE_SUITES.values()]
    for first, last, text in ((BEGIN, END, render), *parts):
        before, begin, rest = then.partition(first)
        _, end, after = rest.partition(last)
        if not begin or not end:
            raise HarnessError(f"{home.readme.name} has no markers: {first} and {last}")
        then = before + text(home) + after
    return now, then


def write_readme(home: Home) -> bool:
    """Write the results into README; say whether anything changed."""
    now, then = _with_results(home)
    if now != then:
        write_text(home.readme, then)
    return now != then


def check_readme(home: Home) -> None:
    """Compare README with what the published results render to.

    Raises
    ------
    HarnessError
        When they differ.
    """
    now, then = _with_results(home)
    if now != then:
        raise HarnessError(f"{home.readme.name} is not what the published results render to: make readme")
