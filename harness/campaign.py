"""A run: dataset, server, then round by round the cases of each group in turn, until every unit is there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.dataset import Dataset, coco, file_digests
from harness.dispatch import Outcome, run_trial
from harness.durable import write_json
from harness.errors import HarnessError, UsageError
from harness.home import Home, notebook_path
from harness.leftovers import clear_tree
from harness.machine import commit_of, machine_facts, machine_id
from harness.plan import Plan, interleaved
from harness.probe import serve_probe
from harness.progress import RunProgress
from harness.results import write_cases
from harness.runs import RunFolder, new_run_id
from harness.s3 import S3Server, start_s3
from harness.spec import CaseSpec, TrialSpec
from harness.systems.fuse import SYSTEMS, Layout
from harness.upload import ensure_layouts, format_digest

__all__ = ["Campaign"]


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all trials of a run share."""

    dataset: Dataset
    urls: Mapping[Layout, str]
    environment: Mapping[str, str]
    probe_port: int | None
    cpus: tuple[int, ...]


class Campaign:
    """One run of a plan. `run` may be called again, in another process, after any stop."""

    def __init__(self, plan: Plan, home: Home, run: RunFolder | None = None) -> None:
        self.plan = plan
        self._home = home
        self.folder = run or RunFolder(home.runs / new_run_id())
        self._missing = {name: system.how_to_get() for name, system in SYSTEMS.items()}

    @property
    def total(self) -> int:
        """How many trials the plan has on this machine."""
        return self.plan.rounds * len([case for case in self.plan.cases if not self._missing[case.system]])

    def run(self, progress: RunProgress) -> list[dict[str, Any]]:
        """Do what is left of the plan; return the run's results.

        Raises
        ------
        HarnessError
            When the ground cannot be laid: dataset, server, packing. A trial that fails is a result, not an error.
        """
        clear_tree(self.folder.work)
        for name in sorted({case.system for case in self.plan.cases}):
            if how := self._missing[name]:
                progress.say(f"{name}: not installed; {how}")
        if self.plan.loader != "torch":
            progress.say(
                "torch is not used: the images go through the Pillow pipeline, its equal in worker processes"
            )
        dataset = coco(self.plan.scale, self._home.cache / "datasets", data=self.plan.options.data)
        cpus = tuple(sorted(os.sched_getaffinity(0)))
        with self._server(dataset, cpus) as server:
            ground = self._ground(server, dataset, cpus, progress)
            data = self._server_data(dataset) if server and server.kind == "sim" else None
            with serve_probe(server, data) if server else contextlib.nullcontext(None) as port:
                self._begin(dataset, server)
                self._units(_with_port(ground, port), progress)
        shutil.rmtree(self.folder.work, ignore_errors=True)
        return write_cases(self.folder)

    # -- the ground ---------------------------------------------------------------------------------------------

    def _layouts(self) -> list[Layout]:
        installed = [SYSTEMS[case.system] for case in self.plan.cases if not self._missing[case.system]]
        return [layout for layout in dict.fromkeys(s.layout for s in installed) if layout != "none"]

    def _server_data(self, dataset: Dataset) -> Path:
        """Return a folder for this dataset alone: all of it is read back before a cold epoch."""
        kind = self.plan.s3 if "://" not in self.plan.s3 else "external"
        return self._home.cache / "s3" / kind / f"{dataset.digest[:16]}-{format_digest()}"

    @contextlib.contextmanager
    def _server(self, dataset: Dataset, cpus: tuple[int, ...]) -> Iterator[S3Server | None]:
        if not self._layouts():
            yield None
            return
        folder = self._server_data(dataset)
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder) as ours:
            if not ours:
                raise HarnessError("another run uses the S3 server's folder on this machine: wait for it")
            for other in folder.parent.glob(f"{dataset.digest[:16]}-*/"):
                if other != folder:  # packed by a format that is no more
                    with _locked(other) as unused:
                        if unused:
                            shutil.rmtree(other, ignore_errors=True)
            with start_s3(self.plan.s3, folder, profile="none", cpus=cpus) as server:
                yield server

    def _ground(
        self, server: S3Server | None, dataset: Dataset, cpus: tuple[int, ...], progress: RunProgress
    ) -> _Ground:
        if server is None:
            return _Ground(dataset, {}, {}, None, cpus)
        progress.say(
            f"S3: {server.kind} {server.version}; packing {dataset.files} files where that is still to do"
        )
        urls = ensure_layouts(server, dataset, self._layouts())
        if self.plan.profile is not None:
            server.set_profile(self.plan.profile)
        return _Ground(dataset, urls, dict(server.env), None, cpus)

    def _begin(self, dataset: Dataset, server: S3Server | None) -> None:
        facts = self._facts(dataset, server)
        if not self.folder.exists:
            self.folder.begin(facts)
        before = self.folder.facts()
        for key in ("suite", "dataset", "cases", "machine_id", "commit"):
            if before[key] != facts[key]:
                raise UsageError(
                    f"run {self.folder.run_id} was begun with another {key}; start anew with --fresh"
                )

    def _facts(self, dataset: Dataset, server: S3Server | None) -> dict[str, Any]:
        machine, commit = machine_facts(), commit_of(self._home.folder)
        plan = self.plan
        return {
            "suite": plan.suite.name,
            "options": plan.options.as_json(),
            "loader": plan.loader,
            "rounds": plan.rounds,
            "groups": plan.groups,
            "judged": plan.judged,
            "minimum_repeats": plan.suite.rules.minimum_repeats,
            "s3": plan.s3 if "://" not in plan.s3 else "external",
            "s3_version": server.version if server else None,
            "profile": plan.profile,
            "seeds": {"order": plan.suite.rules.seed, "dataset": dataset.seed},
            "dataset": {
                "name": dataset.name,
                "digest": dataset.digest,
                "files": dataset.files,
                "bytes": dataset.bytes,
            },
            "machine": machine,
            "machine_id": machine_id(machine),
            "commit": commit.id,
            "dirty": commit.dirty,
            "cases": [self._described(case) for case in plan.cases],
        }

    def _described(self, case: CaseSpec) -> dict[str, Any]:
        system, missing = SYSTEMS[case.system], self._missing[case.system]
        return {
            "id": case.id,
            "spec": asdict(case),
            "missing": missing,
            "ceiling": system.ceiling,
            "version": "unknown" if missing else system.version(),
            "digest": "unknown" if missing else system.digest(),
        }

    # -- the trials ---------------------------------------------------------------------------------------------

    def _units(self, ground: _Ground, progress: RunProgress) -> None:
        for trial_round in range(1, self.plan.rounds + 1):
            for group in self.plan.groups:
                cases = [case for case in self.plan.of_group(group) if not self._missing[case.system]]
                if self.folder.has_unit(group, trial_round):
                    progress.skip(len(cases))
                    continue
                self.folder.write_unit(
                    group, trial_round, self._unit(ground, group, trial_round, cases, progress)
                )
                write_cases(self.folder)

    def _unit(
        self, ground: _Ground, group: str, trial_round: int, cases: list[CaseSpec], progress: RunProgress
    ) -> dict[str, Any]:
        """Run one round of a group; again, at most twice, when others took too much of the CPU; keep the quietest."""
        rules = self.plan.suite.rules
        attempts: list[tuple[float, list[Outcome]]] = []
        while True:
            last = len(attempts) == rules.other_cpu_repeats
            outcomes = []
            for case in interleaved(cases, trial_round):
                progress.started(f"round {trial_round} {group}: {case.system} {case.config}")
                outcome = self._trial(ground, case, trial_round)
                outcomes.append(outcome)
                progress.finished(_line(outcome))
            share = other_cpu_share(outcomes)
            attempts.append((share, outcomes))
            if share <= rules.other_cpu_limit or last:
                break
            progress.say(f"    other processes took {share:.0%} of the CPU: this round goes again")
            progress.repeat(len(cases))
        share, outcomes = min(attempts, key=lambda attempt: attempt[0])
        return {
            "group": group,
            "round": trial_round,
            "other_cpu_share": round(share, 4),
            "attempts": len(attempts),
            "noisy": share > rules.other_cpu_limit,
            "outcomes": [outcome.as_json() for outcome in outcomes],
        }

    def _trial(self, ground: _Ground, case: CaseSpec, trial_round: int) -> Outcome:
        work = self.folder.work / f"{case.system}-{os.urandom(3).hex()}"
        layout = SYSTEMS[case.system].layout
        stem = f"{case.id}-r{trial_round}"
        digests = self.folder.work / "digests.json"
        if not digests.exists():
            digests.parent.mkdir(parents=True, exist_ok=True)
            write_json(digests, file_digests(ground.dataset))
        spec = TrialSpec(
            case=case,
            run_id=self.folder.run_id,
            round=trial_round,
            seed=self.plan.suite.rules.seed,
            dataset_folder=str(ground.dataset.folder),
            dataset_bytes=ground.dataset.bytes,
            digests=str(digests),
            s3_url=ground.urls.get(layout),
            probe_port=None if layout == "none" else ground.probe_port,
            profile=self.plan.profile,
            twin=trial_round == 1,
            work=str(work),
            notebook=str(notebook_path()),
            executed=str(self.folder.folder / "notebooks" / f"{stem}.ipynb"),
            result=str(work / "result.json"),
            run_pid=os.getpid(),
            cpus=ground.cpus,
        )
        return run_trial(spec, self.folder, self.plan.suite.timeout_s, ground.environment)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold a lock beside a folder while the block runs; yields whether it could be had."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _with_port(ground: _Ground, port: int | None) -> _Ground:
    return _Ground(ground.dataset, ground.urls, ground.environment, port, ground.cpus)


def other_cpu_share(outcomes: list[Outcome]) -> float:
    """Return the share of the CPU that other processes took over all epochs of some trials."""
    taken = capacity = 0.0
    for outcome in outcomes:
        for epoch in outcome.trial["epochs"] if outcome.trial else []:
            taken += epoch["samples"]["other_cpu_s"]
            capacity += epoch["samples"]["cpu_capacity_s"]
    return taken / capacity if capacity else 0.0


def _line(outcome: Outcome) -> str:
    if outcome.trial is None:
        return f"{outcome.status}: {outcome.reason}"
    parts = []
    for epoch in outcome.trial["epochs"]:
        requests = f", {epoch['s3']['get']:.0f} GETs" if epoch["s3"] else ""
        parts.append(f"{epoch['state']} {epoch['samples']['epoch_s']:.2f} s{requests}")
    verdict = outcome.trial["verdict"]
    if verdict:
        parts.append(f"{verdict['checked']} files compared, {verdict['wrong']} wrong")
    return "; ".join(parts)
