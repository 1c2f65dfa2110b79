"""README's results: rendered from what is published, between two markers, and checked against it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.durable import write_text
from harness.errors import HarnessError
from harness.formats import NOTHING, amplification, cache_text, count, interval_ratio, seconds, speedup
from harness.home import Home
from harness.results import load_cases
from harness.summary import Row, rows_of

__all__ = ["check_readme", "render", "write_readme"]

BEGIN: Final = "<!-- results:fuse begin -->"
END: Final = "<!-- results:fuse end -->"
SUITE: Final = "fuse"
_HEAD: Final = (
    "FUSE", "Access pattern", "Cache", "Empty cache time", "Speedup", "Warm cache time", "Speedup",
    "x tmpfs, empty", "x tmpfs, warm", "Requests, empty / warm", "Fetched / needed, empty", "n", "Label",
)  # fmt: skip
_SEED_HEAD: Final = _HEAD[:7]
_SYSTEMS: Final = ("mountpoint", "pond", "pond-blind", "tmpfs")


def _markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    rule = [":--:" if index < 3 else "--:" for index in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)]


def _seed(path: Path) -> list[str]:
    """Return the published table of the seed, by its own figures."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
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
        for row in rows
    ]
    return _markdown(_SEED_HEAD, lines)


def _order(case: Mapping[str, Any]) -> tuple[object, ...]:
    system = case["system"]
    place = _SYSTEMS.index(system) if system in _SYSTEMS else len(_SYSTEMS)
    return (case["params"]["access"], place, case["params"]["cache_bytes"] or 0, case["config"])


def _line(case: Mapping[str, Any], states: Mapping[str, Row]) -> Sequence[str]:
    name = f"{case['system']} {case['system_version']}"
    start = (name, case["params"]["access"], cache_text(case))
    cold, warm = states.get("cold"), states.get("warm")
    reasons = "; ".join(case["label_reasons"])
    label = f"{case['label']} ({reasons})" if reasons else case["label"]
    if cold is None or warm is None or not cold.shown:
        return (*start, *[NOTHING] * 9, label)
    return (
        *start,
        seconds(cold.seconds),
        speedup(cold.versus_baseline),
        seconds(warm.seconds),
        speedup(warm.versus_baseline),
        interval_ratio(cold.ratio),
        interval_ratio(warm.ratio),
        f"{count(cold.requests)} / {count(warm.requests)}",
        amplification(cold),
        str(cold.seconds.n if cold.seconds else 0),
        label,
    )


def _machine(case: Mapping[str, Any]) -> str:
    machine = case["machine"]
    return (
        f"{machine['cores']} cores ({machine['cpu_model']}), {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"machine `{case['machine_id']}`"
    )


def _table(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one machine's and scale's table with the caption that says what it is."""
    first = cases[0]
    commits = sorted({case["commit"][:12] + (" with changes" if case["dirty"] else "") for case in cases})
    loader = (
        "torch's DataLoader" if first["params"]["loader"] == "torch" else "the Pillow pipeline (no torch)"
    )
    caption = (
        f"Scale {first['scale']}: {first['dataset']['files']:,} files, {first['dataset']['bytes'] / 2**20:,.0f} MiB "
        f"({first['dataset']['name']}); {first['mode']}, {first['params']['workers']} workers, {loader}; "
        f"S3 {first['params']['s3']}; {_machine(first)}; commit {', '.join(commits)}. Median of n rounds; ratios are "
        "medians of per-round ratios with a bootstrap 95 % interval."
    )
    rows: dict[str, dict[str, Row]] = {}
    for row in rows_of(cases):
        rows.setdefault(row.case["id"], {})[row.state] = row
    shown = [
        c for c in sorted(cases, key=_order) if c["label"] != "INVALID" and c["status"] != "not_installed"
    ]
    lines = [_line(case, rows[case["id"]]) for case in shown]
    missing = sorted({case["system"] for case in cases if case["status"] == "not_installed"})
    note = [f"Not installed there: {', '.join(missing)}.", ""] if missing else []
    return [caption, "", *_markdown(_HEAD, lines), "", *note]


def render(home: Home) -> str:
    """Return what stands between the markers."""
    groups: dict[tuple[object, ...], list[Mapping[str, Any]]] = {}
    for case in load_cases(SUITE, home):
        params = case["params"]
        key: tuple[object, ...] = (
            case["machine_id"],
            case["scale"],
            case["mode"],
            params["loader"],
            params["s3"],
        )
        groups.setdefault(key, []).append(case)
    lines = [BEGIN, ""]
    if not groups:
        lines += ["No results are published yet: `make bench-fuse`, then `harness publish`.", ""]
    for key in sorted(groups, key=str):
        lines += _table(groups[key])
    lines += [
        "Published by the seed: real size (118,287 files, 18.2 GiB), an EC2 `t4g.2xlarge`, real S3, n = 1.",
        "",
        *_seed(home.published / "pond_readme.csv"),
        "",
        END,
    ]
    return "\n".join(lines)


def _with_results(home: Home) -> tuple[str, str]:
    try:
        now = home.readme.read_text()
    except FileNotFoundError:
        raise HarnessError(f"there is no {home.readme.name} to write into") from None
    before, begin, rest = now.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise HarnessError(f"{home.readme.name} has no markers: {BEGIN} and {END}")
    return now, before + render(home) + after


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
