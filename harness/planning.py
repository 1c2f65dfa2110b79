"""What ``--dry-run`` and ``harness plan`` print: the cases, which results are there, and what the rest would take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from harness.dataset import coco_name
from harness.forecast import Forecast, Forecaster
from harness.ground import systems_here
from harness.home import Home
from harness.identity import case_digest
from harness.inventory import Found, Inventory
from harness.machine import machine_facts, machine_id
from harness.plan import DATASET_BYTES, DATASET_FILES, Plan
from harness.progress import duration
from harness.spec import CaseSpec
from harness.wording import command, counted

__all__ = ["PlannedCase", "forecasts", "lines_of", "planned_cases"]

_NO_RESULT = "-"


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One case of a plan, as this machine sees it."""

    case: CaseSpec
    digest: str
    rounds: int
    missing: str | None
    result: Found | None
    forecast: Forecast

    @property
    def trials(self) -> int:
        """How many trials would run."""
        return 0 if self.missing else self.rounds

    @property
    def done(self) -> bool:
        """Whether there is a result of this very case: same system, same files."""
        return self.result is not None and self.result.digest == self.digest

    @property
    def state(self) -> str:
        """What there is: a result and where, an outdated one, or how to get the system."""
        if self.result is None:
            return "not installed" if self.missing else _NO_RESULT
        outdated = "" if self.done else ", outdated"
        return f"{self.result.where}: n = {self.result.n}{outdated}"

    def as_json(self) -> dict[str, object]:
        """Return the form that ``harness plan --json`` prints."""
        return {
            "id": self.case.id,
            "digest": self.digest,
            **asdict(self.case),
            "rounds": self.rounds,
            "missing": self.missing,
            "result": asdict(self.result) if self.result else None,
            "done": self.done,
            "trial": asdict(self.forecast),
        }


def planned_cases(plan: Plan, home: Home) -> list[PlannedCase]:
    """Return the cases of a plan with what is known of them on this machine; touches nothing."""
    inventory = Inventory(home, machine_id(machine_facts()))
    forecaster = Forecaster(inventory.results())
    systems = systems_here(list(dict.fromkeys(case.system for case in plan.cases)))
    dataset = coco_name(plan.scale, data=plan.options.data)
    return [
        PlannedCase(
            case=case,
            digest=case_digest(case, systems[case.system]["digest"], dataset),
            rounds=plan.rounds_of(case),
            missing=systems[case.system]["missing"],
            result=inventory.of(plan.suite.name, case.id),
            forecast=forecaster.of(case),
        )
        for case in plan.cases
    ]


def forecasts(plan: Plan, home: Home) -> dict[str, float]:
    """Return case -> the seconds that one trial of it will take."""
    return {planned.case.id: planned.forecast.seconds for planned in planned_cases(plan, home)}


def lines_of(plan: Plan, planned: list[PlannedCase]) -> Iterator[str]:
    """Yield what is printed of a plan."""
    yield f"{plan.suite.name}: {counted(plan.rounds, 'round')}, scale {plan.scale_text}"
    table = [_HEAD, *(_row(one) for one in planned)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    for row in table:
        cells = zip(row, widths, _RIGHT, strict=True)
        yield "  ".join(
            text.rjust(width) if right else text.ljust(width) for text, width, right in cells
        ).rstrip()
    yield from dict.fromkeys(f"{one.case.system}: {one.missing}" for one in planned if one.missing)
    yield from _totals(plan, planned)


_HEAD = ("digest", "system", "config", "access", "mode", "S3", "rounds", "a trial", "MiB", "USD", "result")
_RIGHT = (False, False, False, False, False, False, True, True, True, True, False)


def _row(planned: PlannedCase) -> tuple[str, ...]:
    case, forecast = planned.case, planned.forecast
    about = "" if forecast.measured else "~"
    return (
        planned.digest,
        case.system,
        case.config,
        case.access,
        "-".join(case.group.split("-")[1:]),
        case.s3,
        str(planned.rounds),
        about + duration(forecast.seconds),
        f"{about}{forecast.bytes / 2**20:,.0f}",
        f"{about}{forecast.usd:.4f}",
        planned.state,
    )


def _totals(plan: Plan, planned: list[PlannedCase]) -> Iterator[str]:
    files, size = round(DATASET_FILES * plan.scale), float(DATASET_BYTES * plan.scale)
    trials = sum(one.trials for one in planned)
    seconds = sum(one.trials * one.forecast.seconds for one in planned)
    fetched = sum(one.trials * one.forecast.bytes for one in planned)
    usd = sum(one.trials * one.forecast.usd for one in planned)
    guessed = sum(one.trials for one in planned if not one.forecast.measured)
    where = plan.s3 if plan.s3_kind != "external" else "an endpoint of yours"
    yield (
        f"{counted(trials, 'trial')} of two epochs over {'your' if plan.options.data else 'about'} {counted(files, 'file')} "
        f"({size / 2**20:,.0f} MiB); loader {plan.loader}; S3 {where}"
    )
    yield (
        f"about {duration(seconds)}, {fetched / 2**30:,.1f} GiB from S3, {usd:.2f} USD for its requests at list price"
        f"{f'; a rough model (~) stands in for {guessed} of the trials, which nobody measured here' if guessed else ''}"
    )
    yield (
        f"{sum(one.done for one in planned)} of {len(planned)} cases have a result of the same digest; "
        f"`{command('run')}` pairs rounds, so it measures all"
    )
