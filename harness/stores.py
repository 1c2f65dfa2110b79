"""What the suites of stores of variables have in common: facts of a run, result files, publishing, tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.durable import append_line, write_json
from harness.errors import HarnessError
from harness.ground import harness_digest
from harness.home import Home
from harness.machine import commit_of, machine_facts, machine_id, source_digest
from harness.runs import RunFolder
from harness.schemas import validate
from harness.statistics import Estimate

__all__ = [
    "NOTHING",
    "OTHER_CPU_LIMIT",
    "facts_here",
    "machine_text",
    "markdown",
    "print_lines",
    "publish_files",
    "ratio_text",
    "size_text",
    "write_cases",
]

NOTHING: Final = "–"
OTHER_CPU_LIMIT: Final = 0.05
_Case = Mapping[str, Any]
_POD: Final = Path(__file__).resolve().parent.parent / "impl" / "pod"


def facts_here(home: Home) -> dict[str, Any]:
    """Return what a run writes down of this machine and of the code that is measured."""
    machine, commit = machine_facts(), commit_of(home.folder)
    return {
        "harness_digest": harness_digest(),
        "digest": source_digest(_POD),
        "machine": machine,
        "machine_id": machine_id(machine),
        "commit": commit.id,
        "dirty": commit.dirty,
    }


def write_cases(run: RunFolder, cases: Sequence[Mapping[str, Any]]) -> None:
    """Write results of a run, each checked against its suite's schema.

    Raises
    ------
    ResultInvalid
        Naming the first place that does not fit.
    """
    for case in cases:
        validate(case)
        write_json(run.folder / f"{case['id']}.json", case)


def publish_files(
    run: RunFolder, cases: Sequence[_Case], home: Home, line: Callable[[Sequence[_Case]], Mapping[str, Any]]
) -> list[Path]:
    """Put a run's results into ``results/<suite>/<machine_id>/``, and one line, of these, into the history.

    A case that has trials replaces its predecessor; one without does so only where its predecessor has none either.

    Raises
    ------
    HarnessError
        When that leaves nothing.
    ResultInvalid
        Naming the first place that does not fit the schema.
    """
    first = cases[0]
    suite = home.results / first["suite"]
    places = {suite / str(case["machine_id"]) / f"{case['id']}.json": case for case in cases}
    fresh = {path: case for path, case in places.items() if case["trials"] or not _has_trials(path)}
    if not fresh:
        raise HarnessError(f"run {run.run_id} has no figure that could replace what is published")
    for case in fresh.values():
        validate(case)
    for path, case in fresh.items():
        write_json(path, case)
    facts = {name: first[name] for name in ("machine_id", "commit", "dirty")}
    entry = {"run_id": run.run_id, **facts, **line([*fresh.values()])}
    history = suite / "history.jsonl"
    if entry not in (map(json.loads, history.read_text().splitlines()) if history.exists() else ()):
        append_line(history, entry)
    return [*fresh]


def _has_trials(path: Path) -> bool:
    return path.exists() and bool(json.loads(path.read_text())["trials"])


# -- tables -------------------------------------------------------------------------------------------------------


def ratio_text(value: Estimate | None) -> str:
    """Return ``1.07 [1.05, 1.11]``."""
    if value is None:
        return NOTHING
    spread = (
        f" [{value.low:.2f}, {value.high:.2f}]" if value.low is not None and value.high is not None else ""
    )
    return f"{value.median:.2f}{spread}"


def size_text(size: float | None) -> str:
    """Return ``1.5 KiB``."""
    if size is None:
        return NOTHING
    for unit in ("B", "KiB", "MiB"):
        if size < 1024 or unit == "MiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]], left: int) -> list[str]:
    """Return a table whose first `left` columns begin at the left."""
    rule = [":--" if place < left else "--:" for place in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)]


def print_lines(
    head: Sequence[str], lines: Sequence[Sequence[str]], left: int, console: Console
) -> Callable[[str], None]:
    """Print a table; return what prints a line below it."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place < left else "right")
    for line in lines:
        table.add_row(*(Text(cell.replace("**", "")) for cell in line))
    console.print(table)

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    return say


def machine_text(cases: Sequence[_Case]) -> str:
    """Return what the cases of a machine were measured on, and at which commits, for a caption."""
    machine = cases[0]["machine"]
    said = {case["commit"][:12] + (" with changes" if case["dirty"] else "") for case in cases}
    commits = f"commit{'' if len(said) == 1 else 's'} {', '.join(sorted(said))}"
    return (
        f"{machine['cores']} cores ({machine['cpu_model']}), {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"CPython {machine['python']}, machine `{cases[0]['machine_id']}`; {commits}"
    )
