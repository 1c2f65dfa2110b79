"""``harness compare A B``: is B faster or slower than A, or can they not be told apart?

A side is named by one or more of these, joined with ``@``, like ``pond/19GiB@last``:

    published              what lies in results/ (the default for a system or a machine)
    20261122T..., last     a run, on this machine or published
    0123456789ab           a machine, by its id
    1f56369                a commit, by seven digits or more, wherever it was measured
    pond/19GiB, 19GiB      a system and its config, or a name that ``CONFIG=`` takes

All else has to be the same on both sides: the same work on the same data and S3, on one machine unless machines are what
is compared. Rounds that both sides share are compared pair by pair. Otherwise the samples are independent; then, on one
machine, each is first divided by the ceiling's of its own round, because a machine is not the same from hour to hour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, Literal

from rich import box
from rich.console import Console
from rich.table import Table

from harness.errors import HarnessError, UsageError
from harness.formats import NOTHING
from harness.home import Home
from harness.results import frame_of, load_cases, workload_of
from harness.runs import RunFolder, latest_run, open_run
from harness.schemas import of_files
from harness.statistics import Change, Pairing, change_of, paired_change
from harness.systems.fuse import CEILING, CONFIGS

__all__ = ["Comparison", "Side", "as_flat", "compare", "parse_side", "print_comparisons"]

PUBLISHED: Final = "published"
LAST: Final = "last"
MEASURE: Final = "epoch_s"
ONE_SAMPLE: Final = "one sample"
_FEWEST: Final = 2
_NOT_SUITES: Final = frozenset(("local", "published"))
_MACHINE: Final = re.compile(r"[0-9a-f]{12}")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")
_RUN: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]+")
_FORMS: Final = (
    "a run id, last, published, a machine, a commit, system/config, or some of these joined with @"
)

Case = Mapping[str, Any]
Unit = Literal["s", "x ceiling"]
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two names; None: anything."""

    text: str
    published: bool = False
    run_id: str | None = None
    machine: str | None = None
    commit: str | None = None
    system: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One workload in one state: how B does against A.

    Attributes
    ----------
    what : the case; system and config are None where they are what is compared
    first, second : medians, in `unit`
    change : B's time over A's, with its interval and verdict; None where one side has a single sample
    n_first, n_second : how many samples each side has
    """

    what: Mapping[str, str | None]
    state: str
    unit: Unit
    first: float
    second: float
    change: Change | None
    n_first: int
    n_second: int


@dataclass(slots=True)
class _Samples:
    """One side's times of one workload in one state, and the same as multiples of the ceiling's of their round."""

    case: Case
    seconds: dict[Pairing, float] = field(default_factory=dict)
    relative: dict[Pairing, float] = field(default_factory=dict)


_Places = dict[tuple[_Key, str], _Samples]
"""(what has to be equal, state) -> samples."""


def parse_side(text: str, home: Home) -> Side:
    """Read what the command line calls a side.

    Raises
    ------
    UsageError
        When a part of it is none of the forms, or is said twice.
    """
    found: dict[str, Any] = {}
    for part in text.split("@"):
        name, value = _read_part(part, home)
        if name in found:
            raise UsageError(f"{text!r} names a {name.replace('_id', '')} twice")
        found[name] = value
    if found.get("published") and "run_id" in found:
        raise UsageError(f"{text!r}: a run is published or not; leave one of the two out")
    return Side(text, **found)


def _read_part(part: str, home: Home) -> tuple[str, object]:
    if part == PUBLISHED:
        return "published", True
    if part == LAST:
        if (run := latest_run(home)) is None:
            raise UsageError("there is no run on this machine: make bench-fuse")
        return "run_id", run.run_id
    if _RUN.fullmatch(part) or (home.runs / part / "run.json").is_file():
        return "run_id", part
    if part in CONFIGS:
        return "system", CONFIGS[part]
    system, slash, config = part.partition("/")
    if slash and (system, config) in CONFIGS.values():
        return "system", (system, config)
    if _MACHINE.fullmatch(part):
        return "machine", part
    if _COMMIT.fullmatch(part):
        return "commit", part
    raise UsageError(f"{part!r} names nothing to compare; give {_FORMS}")


def compare(first: str, second: str, home: Home, suite: str | None = None) -> list[Comparison]:
    """Compare all that two sides share.

    Parameters
    ----------
    first, second
        The sides, as the module says them.
    home
        Where results lie.
    suite
        Look at this suite alone.

    Raises
    ------
    UsageError
        When a side cannot be meant.
    HarnessError
        When the sides share no case, are the same trials, or have one sample.
    """
    sides = parse_side(first, home), parse_side(second, home)
    if (sides[0].system is None) != (sides[1].system is None):
        raise UsageError("name a system and its config on both sides, or on neither")
    across = any(side.machine for side in sides)
    key = _key_of(systems=sides[0].system is None, machines=not across)
    places = [_places(_load(side, home, suite), side, key) for side in sides]
    for side, found in zip(sides, places, strict=True):
        if not found:
            raise HarnessError(f"there are no figures of {side.text}{_hint(side)}")
    shared = [place for place in places[0] if place in places[1]]
    if not shared:
        raise HarnessError(
            f"{first} and {second} have nothing in common: machine, scale, data, workload and S3 must be equal"
        )
    pairs = [(place[1], places[0][place], places[1][place]) for place in shared]
    if sides[0].system == sides[1].system:  # then what shares run and round is one and the same trial
        pairs = [(state, a, b) for state, a, b in pairs if not a.seconds.keys() & b.seconds.keys()]
        if not pairs:
            raise HarnessError(f"{first} and {second} are the same trials")
    comparisons = [_compared(state, a, b, relative=not across) for state, a, b in pairs]
    if all(comparison.change is None for comparison in comparisons):
        raise HarnessError(
            "one sample says nothing of its spread: a comparison takes two rounds on each side"
        )
    return comparisons


def _hint(side: Side) -> str:
    return "" if side.run_id or side.commit else f" among what is published; for a run's, {side.text}@last"


def _key_of(*, systems: bool, machines: bool) -> Callable[[Case], _Key]:
    """Return what has to be equal on both sides."""

    def key(case: Case) -> _Key:
        who = (case["system"], case["config"]) if systems else ()
        where = (case["machine_id"],) if machines else ()
        place = (case["scale"], case["dataset"]["digest"], case["params"]["s3"], case["hinted"])
        return (who, where, place, workload_of(case))

    return key


def _load(side: Side, home: Home, suite: str | None) -> list[Case]:
    """Return the results in which a side's trials may lie; a published run may lie here, too."""
    if side.run_id and RunFolder(home.runs / side.run_id).exists:
        return _of_suite(open_run(home, side.run_id).cases(), suite)
    suites = (
        sorted(path.name for path in home.results.iterdir() if path.is_dir()) if home.results.is_dir() else []
    )
    cases: list[Case] = [
        case
        for name in suites
        if name not in _NOT_SUITES and of_files(name) and suite in {None, name}
        for case in load_cases(name, home)
    ]
    if side.commit and not side.published:
        for path in sorted(home.runs.glob("*/run.json")):
            run = RunFolder(path.parent)
            cases += _of_suite(run.cases(), suite) if of_files(run.facts()["suite"]) else []
    return cases


def _of_suite(cases: Iterable[Case], suite: str | None) -> list[Case]:
    return [case for case in cases if suite in {None, case["suite"]}]


def _places(cases: Sequence[Case], side: Side, key: Callable[[Case], _Key]) -> _Places:
    """Sort a side's times by what they are of. INVALID results and trials with a wrong verdict have none."""
    valid = [case for case in cases if case["label"] != "INVALID"]
    ceilings: dict[tuple[_Key, str, Pairing], float] = {}
    for case in valid:
        if (case["system"], case["config"]) == CEILING:
            for state, pair, seconds in _times(case):
                ceilings[_ground(case), state, pair] = seconds
    found: _Places = {}
    for case in valid:
        what = (case["system"], case["config"])
        if side.system not in {None, what} or side.machine not in {None, case["machine_id"]}:
            continue
        meant = {**case, "trials": [trial for trial in case["trials"] if _is_meant(trial, case, side)]}
        for state, pair, seconds in _times(meant):
            samples = found.setdefault((key(case), state), _Samples(case))
            samples.seconds[pair] = seconds
            ceiling = ceilings.get((_ground(case), state, pair))
            if ceiling and what != CEILING:
                samples.relative[pair] = seconds / ceiling
    return found


def _is_meant(trial: Mapping[str, Any], case: Case, side: Side) -> bool:
    commit = str(trial.get("commit", case["commit"]))
    return side.run_id in {None, trial["run_id"]} and commit.startswith(side.commit or "")


def _times(case: Case) -> Iterator[tuple[str, Pairing, float]]:
    for row in frame_of([case]).itertuples(index=False):
        if row.sample == MEASURE:
            yield str(row.state), (str(row.run_id), int(str(row.round))), float(str(row.value))


def _ground(case: Case) -> _Key:
    return (case["machine_id"], case["scale"], case["dataset"]["digest"], workload_of(case))


def _compared(state: str, first: _Samples, second: _Samples, *, relative: bool) -> Comparison:
    a, b = first.seconds, second.seconds
    unit: Unit = "s"
    pairs = sorted(a.keys() & b.keys())
    if len(pairs) >= _FEWEST:
        a, b = {pair: a[pair] for pair in pairs}, {pair: b[pair] for pair in pairs}
        change: Change | None = paired_change([b[pair] / a[pair] for pair in pairs])
    else:
        if relative and min(len(first.relative), len(second.relative)) >= _FEWEST:
            a, b = first.relative, second.relative
            unit = "x ceiling"
        enough = min(len(a), len(b)) >= _FEWEST
        change = change_of(list(a.values()), list(b.values())) if enough else None
    one_system = all(first.case[name] == second.case[name] for name in ("system", "config"))
    params, case = second.case["params"], second.case
    return Comparison(
        what={
            "system": case["system"] if one_system else None,
            "config": case["config"] if one_system else None,
            "access": params["access"],
            "mode": case["mode"],
            "scale": case["scale"],
            "s3": params["s3"],
        },
        state=state,
        unit=unit,
        first=median(a.values()),
        second=median(b.values()),
        change=change,
        n_first=len(a),
        n_second=len(b),
    )


def as_flat(comparison: Comparison) -> dict[str, object]:
    """Return what ``harness compare --json`` prints of a comparison."""
    change = comparison.change
    return {
        **comparison.what,
        "state": comparison.state,
        "unit": comparison.unit,
        "median_a": comparison.first,
        "median_b": comparison.second,
        "ratio": change.ratio if change else None,
        "ratio_low": change.low if change else None,
        "ratio_high": change.high if change else None,
        "n_a": comparison.n_first,
        "n_b": comparison.n_second,
        "paired": bool(change and change.paired),
        "verdict": change.verdict if change else ONE_SAMPLE,
    }


def print_comparisons(first: str, second: str, found: Sequence[Comparison], console: Console) -> None:
    """Print one line for each comparison; the verdict is B's."""
    title = f"A = {first}, B = {second}; B / A below 1: B is faster"
    console.print(title, highlight=False, markup=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("of", "state", "A", "B", "B / A [95 %]", "n", "B is"):
        table.add_column(name, justify="left" if name in {"of", "state", "B is"} else "right", no_wrap=True)
    for comparison in found:
        change, unit = comparison.change, " s" if comparison.unit == "s" else " x"
        ratio = f"{change.ratio:.3f} [{change.low:.3f}, {change.high:.3f}]" if change else NOTHING
        n = (
            f"{comparison.n_first} pairs"
            if change and change.paired
            else f"{comparison.n_first}, {comparison.n_second}"
        )
        table.add_row(
            " ".join(text for text in comparison.what.values() if text),
            comparison.state,
            f"{comparison.first:.2f}{unit}",
            f"{comparison.second:.2f}{unit}",
            ratio,
            n,
            change.verdict if change else ONE_SAMPLE,
        )
    console.print(table)
    if any(comparison.unit != "s" for comparison in found):
        console.print(
            "x: times the ceiling of the same round, because the sides share no round", highlight=False
        )
