"""From a suite and the options of a command line to the cases of a run, in the order in which they go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from harness.errors import SuiteError, UsageError
from harness.s3 import PROFILES
from harness.spec import CaseSpec
from harness.suite import ACCESSES, EVERY, MODES, Suite, SystemSpec, Workload, parse_scale
from harness.systems.fuse import CEILING, CONFIGS, SYSTEMS, chosen_configs
from harness.wording import command

__all__ = ["AUTO", "DEFAULT_PROFILE", "LOADERS", "Options", "Plan", "build_plan", "interleaved"]

DATASET_FILES: Final = 118_287
DATASET_BYTES: Final = round(18.2 * 2**30)
DEFAULT_PROFILE: Final = "aws"
AUTO: Final = "auto"
LOADERS: Final = ("torch", "pillow")
"""What ``auto`` comes to."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None where it leaves the suite's word."""

    configs: Sequence[str] | None = None
    scale: str | None = None
    rounds: int | None = None
    judged: bool = False
    s3: str = "sim"
    profile: str | None = None
    loader: str = AUTO
    data: Path | None = None
    accesses: Sequence[str] | None = None
    mode: str | None = None
    only: Sequence[str] | None = None

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
    by_group: Mapping[str, tuple[CaseSpec, ...]]
    """Group -> the cases that must run together, groups in the order of the suite's workloads."""
    limits: Mapping[CaseSpec, int]
    """Case -> in how many of the first rounds it runs, where that is not all."""
    rounds: int
    scale: Fraction
    judged: bool
    s3: str
    loader: str
    options: Options

    @property
    def cases(self) -> list[CaseSpec]:
        """Return all cases, group by group."""
        return [case for group in self.by_group.values() for case in group]

    @property
    def groups(self) -> list[str]:
        """Return the groups in the order of the suite's workloads."""
        return list(self.by_group)

    @property
    def units(self) -> list[tuple[str, int]]:
        """Return each group and round, in the order in which they go."""
        return [(group, number) for number in range(1, self.rounds + 1) for group in self.by_group]

    def of_unit(self, group: str, trial_round: int) -> list[CaseSpec]:
        """Return those cases of a group that take part in a round."""
        return [case for case in self.by_group[group] if trial_round <= self.rounds_of(case)]

    def rounds_of(self, case: CaseSpec) -> int:
        """Return how many rounds a case takes part in."""
        return min(self.rounds, self.limits.get(case, self.rounds))

    @property
    def s3_kind(self) -> str:
        """Which kind of server: ``sim``, ``seaweedfs`` or ``external``."""
        return _kind(self.s3)

    @property
    def scale_text(self) -> str:
        """The scale as people write it."""
        return str(self.scale)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One config of one system over one network, as a suite or the command line has it."""

    system: str
    config: str
    profile: str | None
    rounds: int | None


def interleaved(cases: Sequence[CaseSpec], trial_round: int) -> list[CaseSpec]:
    """Return a group's cases rotated by the round, so that none always goes first."""
    turn = (trial_round - 1) % len(cases) if cases else 0
    return [*cases[turn:], *cases[:turn]]


def build_plan(suite: Suite, options: Options, loader: str) -> Plan:
    """Expand a suite under options; `loader` is what ``auto`` came to, or ``auto`` while that is open.

    Raises
    ------
    UsageError
        For a system, config, access, mode, network or number that cannot be, and for a list with nothing in it.
    """
    for flag, names in (
        ("--config", options.configs),
        ("--access", options.accesses),
        ("--only", options.only),
    ):
        if names is not None and not names:
            raise UsageError(f"{flag} names nothing; leave it out for everything")
    scale = parse_scale(options.scale) if options.scale else None
    if scale is None:
        scale = suite.rules.judged_scale if options.judged else suite.scale
    rounds = options.rounds
    if rounds is None:
        rounds = suite.rules.judged_repeats if options.judged else suite.repeats
    if rounds < 1:
        raise UsageError(f"rounds must be at least 1, not {rounds}")
    kind = _kind(options.s3)
    entries = list(_entries(suite, options, kind))
    cases: list[CaseSpec] = []
    limits: dict[CaseSpec, int] = {}
    for workload in _workloads(suite, options):
        for entry in entries:
            case = CaseSpec(
                system=entry.system,
                config=entry.config,
                access=workload.access,
                mode=options.mode or workload.mode,
                loader=loader,
                batch_size=workload.batch_size,
                workers=workload.workers,
                image_px=workload.image_px,
                scale=str(scale),
                s3=f"{kind}-{entry.profile}" if entry.profile else kind,
            )
            cases.append(case)
            if entry.rounds is not None:
                limits[case] = entry.rounds
    by_group: dict[str, list[CaseSpec]] = {}
    for case in _only(list(dict.fromkeys(cases)), options.only):
        by_group.setdefault(case.group, []).append(case)
    return Plan(
        suite=suite,
        by_group={group: tuple(members) for group, members in by_group.items()},
        limits=limits,
        rounds=rounds,
        scale=scale,
        judged=options.judged,
        s3=options.s3,
        loader=loader,
        options=options,
    )


def _kind(s3: str) -> str:
    kind = s3 if "://" not in s3 else "external"
    if kind not in {"sim", "seaweedfs", "external"}:
        raise UsageError(f"unknown S3 {s3!r}; there are: sim, seaweedfs, or the URL of an endpoint")
    return kind


def _entries(suite: Suite, options: Options, kind: str) -> Iterator[_Entry]:
    """Yield what runs: the suite's systems, or those that CONFIG names, as the suite has them; the ceiling always."""
    if options.profile is not None and options.profile not in PROFILES:
        raise UsageError(f"unknown network {options.profile!r}; there are: {', '.join(PROFILES)}")
    declared = [(spec, pair) for spec in suite.systems for pair in _pairs(suite, spec)]
    pairs = list(dict.fromkeys(pair for _, pair in declared))
    if options.configs is not None:
        pairs = chosen_configs(options.configs)
    elif CEILING not in pairs:
        pairs.append(CEILING)
    for pair in pairs:
        for spec in [spec for spec, other in declared if other == pair] or [SystemSpec(pair[0], (pair[1],))]:
            for profile in _profiles(suite, spec, pair, options, kind):
                yield _Entry(*pair, profile, spec.rounds)


def _profiles(
    suite: Suite, spec: SystemSpec, pair: tuple[str, str], options: Options, kind: str
) -> Sequence[str | None]:
    for profile in spec.profiles:
        if profile not in PROFILES:
            raise SuiteError(
                f"{suite.source}:{spec.line}: unknown network {profile!r}; there are: {', '.join(PROFILES)}"
            )
    if kind != "sim":
        return (None,)
    if options.profile is None and spec.profiles and SYSTEMS[pair[0]].layout != "none":
        return spec.profiles
    return (options.profile or DEFAULT_PROFILE,)


def _pairs(suite: Suite, spec: SystemSpec) -> list[tuple[str, str]]:
    first = dict(reversed(list(CONFIGS.values())))
    if spec.name == EVERY:
        return [(system, first[system]) for system in SYSTEMS if system in first]
    if spec.name not in SYSTEMS:
        raise SuiteError(
            f"{suite.source}:{spec.line}: unknown system {spec.name!r}; there are: {', '.join(SYSTEMS)}"
        )
    known = [config for system, config in CONFIGS.values() if system == spec.name]
    for config in spec.configs:
        if config not in known:
            raise SuiteError(
                f"{suite.source}:{spec.line}: {spec.name} has no config {config!r}; "
                f"there are: {', '.join(known)}"
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


def _only(cases: list[CaseSpec], patterns: Sequence[str] | None) -> list[CaseSpec]:
    """Keep the cases that a pattern names, and the ceiling of each group that is left."""
    if patterns is None:
        return cases
    for pattern in patterns:
        if not any(_matches(case, pattern) for case in cases):
            raise UsageError(f"no case is called {pattern!r}; `{command('plan')}` lists them")
    named = {case for case in cases if any(_matches(case, pattern) for pattern in patterns)}
    groups = {case.group for case in named}
    return [
        case
        for case in cases
        if case in named or ((case.system, case.config) == CEILING and case.group in groups)
    ]


def _matches(case: CaseSpec, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) or pattern in name for name in _called(case))


def _called(case: CaseSpec) -> list[str]:
    """Return the name of a case: while it is open which loader it will be, both names that it may have."""
    return [
        replace(case, loader=loader).id for loader in (LOADERS if case.loader == AUTO else (case.loader,))
    ]
