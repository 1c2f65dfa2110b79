"""A run: what is left of its plan is measured, unit by unit, and kept, until every unit is there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from harness.durable import write_text
from harness.errors import HarnessError, UsageError
from harness.ground import order_of
from harness.home import Home
from harness.jobs import JobsSpec, UnitResult, open_jobs
from harness.leftovers import clear_tree, remove_tree
from harness.plan import Plan
from harness.progress import RunProgress
from harness.results import write_cases
from harness.runs import RunFolder, difference
from harness.unit import UnitOrder, unit_of, verified_in
from harness.wording import command, counted

__all__ = ["Campaign", "Shard"]

# Between two writings of all results while a run goes on: a thousand cases take seconds.
_WRITE_S: Final = 20.0
# What must be equal for measurements to belong to one run.
_SAME: Final = ("suite", "dataset", "cases", "machine_id", "commit", "harness_digest", "cpu_count")
_SAME_OF_UNITS: Final = ("dataset", "machine_id", "commit", "harness_digest", "cpu_count", "systems")


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `of`-th unit, beginning with the `number`-th."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``2/3``.

        Raises
        ------
        UsageError
            When it is not two whole numbers with 1 <= i <= n.
        """
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise UsageError(f"--shard {text!r} is not i/n with 1 <= i <= n")
        return cls(int(number), int(of))

    def takes(self, index: int) -> bool:
        """Say whether the unit at `index` of a plan is one of this shard's."""
        return index % self.of == self.number - 1


class Campaign:
    """One run of a plan. `run` may be called again, in another process, after any stop."""

    def __init__(
        self,
        plan: Plan,
        home: Home,
        folder: RunFolder,
        jobs: JobsSpec | None = None,
        shard: Shard | None = None,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self._home = home
        self._jobs = jobs or JobsSpec()
        self._shard = shard or Shard()
        self._written_s = time.monotonic()

    def run(self, progress: RunProgress) -> list[dict[str, Any]]:
        """Do what is left of the plan; return the run's results.

        Raises
        ------
        HarnessError
            When the ground cannot be laid (dataset, server, packing), or units were lost. A trial that fails is a
            result, not an error.
        UsageError
            When the run was begun with another plan, machine, number of cpus, commit or harness, or goes on in another
            process.
        """
        if self.plan.loader != "torch":
            progress.say(
                "torch is not used: the images go through the Pillow pipeline, its equal in worker processes"
            )
        with self.folder.held():
            clear_tree(self.folder.work)  # of one that was killed
            lost = self._measure(progress)
            remove_tree(self.folder.work)
            cases = write_cases(self.folder)
        if lost:
            raise HarnessError(
                f"{counted(len(lost), 'unit')} came to nothing ({lost[0].order.name}: {lost[0].reason}); "
                f"go on with: {command(f'run {self.plan.suite.name} --resume {self.folder.run_id}')}"
            )
        return cases

    def _measure(self, progress: RunProgress) -> list[UnitResult]:
        lost = []
        with open_jobs(self._jobs, order_of(self.plan), self.folder, self._home, progress) as jobs:
            facts = jobs.facts()
            self._begin(facts)
            missing = {name: system["missing"] for name, system in facts["systems"].items()}
            for name, how in sorted(missing.items()):
                if how:
                    progress.say(f"{name}: not installed; {how}")
            todo, done = self._todo(missing)
            progress.expect([case.id for order in todo for case in order.cases], done)
            try:
                with contextlib.closing(jobs.results(todo)) as results:
                    for result in results:
                        if (reason := self._keep(result, facts)) is not None:
                            progress.say(f"    {result.order.name} is lost: {reason}")
                            lost.append(replace(result, reason=reason))
            except KeyboardInterrupt:
                write_cases(self.folder)
                raise
        return lost

    def _todo(self, missing: Mapping[str, object]) -> tuple[list[UnitOrder], int]:
        """Return the units of this shard that are not there yet, and how many trials the others have."""
        todo, done = [], 0
        verified = tuple(sorted(set().union(*map(verified_in, self.folder.units()))))
        for index, (group, trial_round) in enumerate(self.plan.units):
            if not self._shard.takes(index):
                continue
            order = unit_of(self.plan, self.folder.run_id, group, trial_round, missing)
            if self.folder.has_unit(group, trial_round):
                done += len(order.cases)
            else:
                todo.append(replace(order, verified=verified))
        return todo, done

    def _keep(self, result: UnitResult, facts: Mapping[str, Any]) -> str | None:
        """Write one unit and what belongs to it; return why not, where it cannot be kept."""
        if result.unit is None:
            return result.reason or "no reason given"
        if another := difference(facts, result.facts, _SAME_OF_UNITS):
            return f"it was measured with another {another} than the rest of the run"
        if result.facts["dirty"]:
            self._call_dirty()
        for name, text in result.files.items():
            write_text(self.folder.folder / name, text)
        self.folder.write_unit(result.order.group, result.order.round, result.unit)
        if time.monotonic() - self._written_s > _WRITE_S:
            write_cases(self.folder)
            self._written_s = time.monotonic()
        return None

    def _begin(self, ground: Mapping[str, Any]) -> None:
        """Write down what this run is, or make sure that it is what was written down, but for its rounds."""
        facts = run_facts(self.plan, ground)
        if not self.folder.exists:
            self.folder.begin(facts)
        before = self.folder.facts()
        if another := difference(_without_rounds(before), _without_rounds(facts), _SAME):
            raise UsageError(
                f"run {self.folder.run_id} was begun with another {another}; start anew with --fresh"
            )
        if before["rounds"] != facts["rounds"]:
            self.folder.begin({**before, **{key: facts[key] for key in ("rounds", "options", "cases")}})
        if facts["dirty"]:
            self._call_dirty()

    def _call_dirty(self) -> None:
        """Write down that a part of this run was measured with changes that no commit holds."""
        facts = self.folder.facts()
        if not facts["dirty"]:
            self.folder.begin({**facts, "dirty": True})


def _without_rounds(facts: Mapping[str, Any]) -> dict[str, Any]:
    cases = [{name: item for name, item in case.items() if name != "rounds"} for case in facts["cases"]]
    return {**facts, "cases": cases}


def run_facts(plan: Plan, ground: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run's ``run.json`` says, of a plan and the machine that measures."""
    machine = {
        key: ground[key]
        for key in (
            "machine",
            "machine_id",
            "cpu_count",
            "dataset",
            "s3_version",
            "commit",
            "dirty",
            "harness_digest",
        )
    }
    cases = [
        {
            "id": case.id,
            "spec": asdict(case),
            "rounds": plan.rounds_of(case),
            **ground["systems"][case.system],
        }
        for case in plan.cases
    ]
    return {
        **machine,
        "suite": plan.suite.name,
        "options": plan.options.as_json(),
        "loader": plan.loader,
        "rounds": plan.rounds,
        "groups": plan.groups,
        "judged": plan.judged,
        "minimum_repeats": plan.suite.rules.minimum_repeats,
        "s3": plan.s3_kind,
        "seeds": {"order": plan.suite.rules.seed, "dataset": ground["dataset_seed"]},
        "cases": cases,
    }
