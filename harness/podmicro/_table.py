"""The suite's table: on the terminal after a run, and in README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console

from harness.home import Home
from harness.podmicro._results import SUITE, Held, Row, rows_of
from harness.results import load_cases
from harness.statistics import Estimate
from harness.stores import NOTHING, machine_text, markdown, print_lines, ratio_text, size_text

__all__ = ["BEGIN", "END", "print_table", "render"]

BEGIN: Final = f"<!-- results:{SUITE} begin -->"
END: Final = f"<!-- results:{SUITE} end -->"
_HEAD: Final = (
    "Session",
    "What",
    "pod",
    "x pickle",
    "x pickle, no kernel",
    "x dill",
    "Written",
    "Bound",
    "Measured",
    "n",
    "Label",
)
_LEFT: Final = 2


def _seconds(value: Estimate | None) -> str:
    if value is None:
        return NOTHING
    return f"{value.median * 1000:,.1f} ms" if value.median < 1 else f"{value.median:.2f} s"


def _measured(held: Held) -> str:
    value, unit = held.value.median, held.bound.unit
    if unit == "s":
        text = f"{value * 1000:,.2f} ms"
    elif unit == "B":
        text = f"{value / 1024:,.1f} KiB"
    else:
        text = f"{value:.3f}"
    return text if held.holds else f"**{text}: missed**"


def _lines(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return one line for each thing that was measured of pod; the other systems stand in its columns."""
    by_place = {(row.case["workload"], row.what, row.case["system"]): row for row in rows}
    lines: list[tuple[str, ...]] = []
    for (workload, what, system), row in by_place.items():
        if system != "pod" or not row.shown:
            continue
        python, dill = by_place.get((workload, what, "pod-python")), by_place.get((workload, what, "dill"))
        label = row.case["label"]
        if row.case["label_reasons"]:
            label += f" ({'; '.join(row.case['label_reasons'])})"
        lines.append(
            (
                row.case["about"],
                what,
                _seconds(row.seconds),
                ratio_text(row.ratio),
                ratio_text(python.ratio) if python and python.shown else NOTHING,
                _against(row, dill),
                size_text(row.stored_bytes),
                "; ".join(held.bound.text for held in row.held) or NOTHING,
                "; ".join(map(_measured, row.held)) or NOTHING,
                str(row.seconds.n if row.seconds else 0),
                label,
            )
        )
    return lines


def _against(row: Row, other: Row | None) -> str:
    """Return pod's time over another's, by the medians of their ratios to pickle."""
    if other is None or not other.shown or row.ratio is None or other.ratio is None:
        return NOTHING
    return f"{row.ratio.median / other.ratio.median:.2f}"


def print_table(cases: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the results of a run, and what is wrong with them."""
    lines = [(*line[:-1], line[-1].partition(" ")[0]) for line in _lines(rows_of(cases))]
    say = print_lines(_HEAD, lines, _LEFT, console)
    for reason in sorted({reason for case in cases for reason in case["label_reasons"] if case["trials"]}):
        say(f"a reservation: {reason}")
    for case in cases:
        if case["status"] != "ok" or case["label"] == "INVALID":
            say(f"{case['id']}: {case['label']}: {'; '.join(case['label_reasons'])}")


def _caption(cases: Sequence[Mapping[str, Any]]) -> str:
    return (
        f"Scale {cases[0]['scale']:g}; {machine_text(cases)}. Medians "
        "of n interleaved rounds; ratios are medians of per-round ratios to `pickle` protocol 5 with file and folder "
        "synced, with a bootstrap 95 % interval. Every version was loaded and compared with what was saved."
    )


def render(home: Home) -> str:
    """Return what stands between the markers in README."""
    groups: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for case in load_cases(SUITE, home):
        groups.setdefault((case["machine_id"], case["scale"]), []).append(case)
    lines = [BEGIN, ""]
    if not groups:
        lines += [
            "No results are published yet: `make bench-pod-micro`, then `.venv/bin/harness publish last`.",
            "",
        ]
    for key in sorted(groups):
        cases = groups[key]
        lines += [_caption(cases), "", *markdown(_HEAD, _lines(rows_of(cases)), _LEFT), ""]
        missing = sorted({case["system"] for case in cases if case["status"] == "not_installed"})
        lines += [f"Not installed there: {', '.join(missing)}.", ""] if missing else []
    return "\n".join([*lines, END])
