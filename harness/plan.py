"""From a suite and the options of a command line to the cases of a run, in the order in which they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from harness.errors import UsageError
from harness.spec import CaseSpec
from harness.suite import ACCESSES, MODES, Suite, SystemSpec, Workload, parse_scale
from harness.systems.fuse import CEILING, CONFIGS, SYSTEMS, chosen_configs

__all__ = ["Options", "Plan", "build_plan", "interleaved"]

DATASET_FILES: Final = 118_287
DATASET_BYTES: Final = round(18.2 * 2**30)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None where it leaves the suite's word."""

    configs: Sequence[str] | None = None
    scale: str | None = None
    rounds: int | None = None
    judged: bool = False
    s3: str = "sim"
    profile: str = "aws"
    loader: str = "auto"
    data: Path | None = None
    accesses: Sequence[str] | None = None
    mode: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the form that a run keeps, to be gone on with."""
        return {**asdict(self), "data": str(self.data) if self.data else None}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Options:
        """Read what `as_json` gave."""
        return cls(**{**raw, "data": Path(raw["data"]) if raw["data"] else None})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does: every case once a round, the cases of one group interleaved."""

    suite: Suite
    cases: tuple[CaseSpec, ...]
    rounds: int
    scale: Fraction
    judged: bool
    s3: str
    profile: str | None
    loader: str
    options: Options

    @property
    def groups(self) -> list[str]:
        """Return the groups in the order of the suite's workloads."""
        return list(dict.fromkeys(case.group for case in self.cases))

    def of_group(self, group: str) -> list[CaseSpec]:
        """Return the cases that must run together."""
        return [case for case in self.cases if case.group == group]

    @property
    def scale_text(self) -> str:
        """The scale as people write it."""
        return str(self.scale)


def interleaved(cases: Sequence[CaseSpec], trial_round: int) -> list[CaseSpec]:
    """Return a group's cases rotated by the round, so that none always goes first."""
    turn = (trial_round - 1) % len(cases)
    return [*cases[turn:], *cases[:turn]]


def build_plan(suite: Suite, options: Options, loader: str) -> Plan:
    """Expand a suite under options; `loader` is what ``auto`` came to.

    Raises
    ------
    UsageError
        For a system, config, access, mode or number that cannot be.
    """
    scale = parse_scale(options.scale) if options.scale else None
    if scale is None:
        scale = suite.rules.judged_scale if options.judged else suite.scale
    rounds = options.rounds
    if rounds is None:
        rounds = suite.rules.judged_repeats if options.judged else suite.repeats
    if rounds < 1:
        raise UsageError(f"rounds must be at least 1, not {rounds}")
    profile = options.profile if options.s3 == "sim" else None
    kind = options.s3 if "://" not in options.s3 else "external"
    if kind not in {"sim", "seaweedfs", "external"}:
        raise UsageError(f"unknown S3 {options.s3!r}; there are: sim, seaweedfs, or the URL of an endpoint")
    configs = _configs(suite, options)
    cases = tuple(
        CaseSpec(
            system=system,
            config=config,
            access=workload.access,
            mode=options.mode or workload.mode,
            loader=loader,
            batch_size=workload.batch_size,
            workers=workload.workers,
            image_px=workload.image_px,
            scale=str(scale),
            s3=f"{kind}-{profile}" if profile else kind,
        )
        for workload in _workloads(suite, options)
        for system, config in configs
    )
    return Plan(
        suite=suite,
        cases=cases,
        rounds=rounds,
        scale=scale,
        judged=options.judged,
        s3=options.s3,
        profile=profile,
        loader=loader,
        options=options,
    )


def _configs(suite: Suite, options: Options) -> list[tuple[str, str]]:
    if options.configs is not None:
        return chosen_configs(options.configs)
    configs = [pair for spec in suite.systems for pair in _pairs(suite, spec)]
    return configs if CEILING in configs else [*configs, CEILING]


def _pairs(suite: Suite, spec: SystemSpec) -> list[tuple[str, str]]:
    if spec.name not in SYSTEMS:
        raise UsageError(f"suite {suite.name}: unknown system {spec.name!r}; there are: {', '.join(SYSTEMS)}")
    known = [config for system, config in CONFIGS.values() if system == spec.name]
    for config in spec.configs:
        if config not in known:
            raise UsageError(
                f"suite {suite.name}: {spec.name} has no config {config!r}; there are: {', '.join(known)}"
            )
    return [(spec.name, config) for config in spec.configs]


def _workloads(suite: Suite, options: Options) -> list[Workload]:
    if options.mode is not None and options.mode not in MODES:
        raise UsageError(f"unknown mode {options.mode!r}; there are: {', '.join(MODES)}")
    if options.accesses is None:
        return list(suite.workloads)
    chosen = []
    for access in options.accesses:
        if access not in ACCESSES:
            raise UsageError(f"unknown access {access!r}; there are: {', '.join(ACCESSES)}")
        found = [workload for workload in suite.workloads if workload.access == access]
        chosen += found or [Workload(name=access, access=access)]
    return list(dict.fromkeys(chosen))
