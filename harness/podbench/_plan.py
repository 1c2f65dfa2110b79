"""What a run of `pod-bench` does: which systems, on which workloads, how often."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import UsageError
from harness.podbench._grammar import Asked, parse_numbers, parse_systems, parse_workloads
from harness.podbench._known import ALIASES, find_workload, parameters_known
from harness.podworkloads import TIMEOUT_S, Workload
from harness.suite import parse_scale
from harness.systems.pod import FIDELITIES, names

__all__ = ["EVERY", "Case", "Plan", "Request", "make_plan", "tree_workloads", "typed_names"]

EVERY: Final = "all"
_TREE: Final = "rmtree"


@dataclass(frozen=True, slots=True)
class Case:
    """One system on one workload: what stays the same over all rounds of a run."""

    system: str
    asked: Asked

    def id(self, plan: Plan) -> str:
        """Return the case's name, which is its result file's, too."""
        paper = "" if plan.fidelity == "fixed" else f"_{plan.fidelity}"
        return f"{file_name(self.asked)}_{self.system}_scale{plan.scale_of(self.asked):g}{paper}"


def file_name(asked: Asked) -> str:
    """Return a workload's name without brackets, as files are called: ``rmtree+tc10+tml50+exc``."""
    plain = str(asked).replace("][", "+").replace("[", "+").replace("]", "").replace("=", "")
    return re.sub(r"[^A-Za-z0-9._+-]", "-", plain)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, as text: a run that was stopped goes on with the same."""

    systems: str
    workloads: str | None = None
    rounds: int = 1
    scale: str | None = None
    fidelity: str = "fixed"
    notebook: str | None = None
    data: str | None = None
    require: str | None = None
    timeout_s: float = TIMEOUT_S

    def as_json(self) -> dict[str, Any]:
        """Return the form that a run holds."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that makes sense."""

    request: Request
    systems: tuple[str, ...]
    workloads: tuple[Asked, ...]
    rounds: int
    scale: float | None
    fidelity: str
    require: frozenset[str]

    @property
    def cases(self) -> list[Case]:
        """All cases, workload by workload."""
        return [Case(system, asked) for asked in self.workloads for system in self.systems]

    def workload_of(self, asked: Asked) -> Workload:
        """Return the workload itself."""
        return find_workload(asked.name, self.request.notebook, self.request.data)

    def scale_of(self, asked: Asked) -> float:
        """Return the share of the published size that a workload runs at."""
        return self.workload_of(asked).default_scale if self.scale is None else self.scale

    def parameters_of(self, asked: Asked) -> dict[str, int]:
        """Return all parameters of a workload, those that were not given included."""
        return self.workload_of(asked).checked(dict(asked.parameters))


def make_plan(request: Request) -> Plan:
    """Check what was asked for. Of what is named twice one case is made.

    Raises
    ------
    UsageError
        For a mistake in the grammar, an unknown name, a number out of range, or a file that is not there.
    """
    systems = _systems("SUT", request.systems)
    if request.rounds < 1:
        raise UsageError(f"ROUNDS must be at least 1, not {request.rounds}")
    if request.fidelity not in FIDELITIES:
        raise UsageError(f"unknown fidelity {request.fidelity!r}; there are: {', '.join(FIDELITIES)}")
    if not request.timeout_s > 0:  # nor is nan
        raise UsageError(f"the time limit must be greater than 0 s, not {request.timeout_s:g}")
    if request.data is not None and not Path(request.data).is_dir():
        raise UsageError(f"NBDATA={request.data}: there is no such folder; give that of the unzipped data")
    require = systems if request.require == EVERY else _required(request.require, systems)
    plan = Plan(
        request=request,
        systems=tuple(dict.fromkeys(systems)),
        workloads=tuple(dict.fromkeys(_workloads(request))),
        rounds=request.rounds,
        scale=None if request.scale is None else float(parse_scale(request.scale)),
        fidelity=request.fidelity,
        require=frozenset(require),
    )
    for asked in plan.workloads:
        plan.parameters_of(asked)
    return plan


def _systems(option: str, text: str) -> list[str]:
    known = names()
    return known if text == EVERY else parse_systems(text, known, ALIASES, option)


def _required(text: str | None, systems: Sequence[str]) -> list[str]:
    required = _systems("REQUIRE", text) if text else []
    if others := [name for name in required if name not in systems]:
        raise UsageError(f"REQUIRE={text}: not in SUT, so not tried: {', '.join(others)}")
    return required


def _workloads(request: Request) -> Sequence[Asked]:
    known: Mapping[str, Sequence[str]] = parameters_known()
    if request.notebook is not None:
        if request.workloads is not None:
            raise UsageError("NB and NOTEBOOK exclude each other: the notebook is the workload")
        return [Asked(find_workload("", request.notebook).name)]
    if request.workloads is None:
        return [Asked(name) for name in known]
    return parse_workloads(request.workloads, known)


def typed_names(request: Request) -> dict[str, str]:
    """Return how each workload was typed, by its name in results."""
    if request.workloads is None:
        return {}
    return {str(asked): asked.typed for asked in parse_workloads(request.workloads, parameters_known())}


def tree_workloads(tc: str, tv: str, tl: str, tml: str, tme: str) -> str:
    """Return the workloads of the published second experiment: one `rmtree` for each setting, without its helpers' names.

    Each argument is a list of numbers; the last one varies fastest.

    Raises
    ------
    GrammarError
        For a list that is none.
    """
    lists = {"TC": tc, "TV": tv, "TL": tl, "TML": tml, "TME": tme}
    suffixes = [
        [f"[{option.lower()}={typed}]" for typed in parse_numbers(option, text).values()]
        for option, text in lists.items()
    ]
    return ",".join("".join((_TREE, "[exc]", *setting)) for setting in itertools.product(*suffixes))
