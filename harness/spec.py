"""A trial's order, as JSON between the run, and the trial's process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

__all__ = ["STANDARD", "CaseSpec", "TrialSpec"]

# The workload that is meant where a case's name says nothing else.
STANDARD: Final = {"batch_size": 64, "workers": 4, "image_px": 224}
_SHORT: Final = {"batch_size": "b", "workers": "w", "image_px": "px"}


@dataclass(frozen=True, slots=True)
class CaseSpec:
    """System x config x workload: what stays the same over all rounds of a run."""

    system: str
    config: str
    access: str
    mode: str
    loader: str
    batch_size: int
    workers: int
    image_px: int
    scale: str
    s3: str

    @property
    def id(self) -> str:
        """The name of the case, and of its result file."""
        parts = [self.system, self.config, self.access, self.mode, self.loader, self.s3]
        return "_".join([*parts, f"scale{self.scale.replace('/', 'of')}", *self._differences()])

    @property
    def group(self) -> str:
        """What must run together to be compared: the workload."""
        return "-".join([self.access, self.mode, *self._differences()])

    @property
    def profile(self) -> str | None:
        """The network that the simulator imitates for this case; None for any other server."""
        kind, _, profile = self.s3.partition("-")
        return profile if kind == "sim" and profile else None

    def _differences(self) -> list[str]:
        """Return what of the workload is not the standard one."""
        found = {name: getattr(self, name) for name in STANDARD}
        return [f"{_SHORT[name]}{found[name]}" for name in STANDARD if found[name] != STANDARD[name]]


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """One execution of a case. Holds paths, so it is never published."""

    case: CaseSpec
    run_id: str
    round: int
    seed: int
    dataset_folder: str
    dataset_bytes: int
    digests: str
    s3_url: str | None
    probe_port: int | None
    profile: str | None
    twin: bool
    work: str
    notebook: str
    executed: str
    result: str
    run_pid: int
    cpus: tuple[int, ...]
    cgroups: tuple[str, ...] = ()
    """The files through which the trial's process joins its control groups."""

    @property
    def scale(self) -> Fraction:
        """The case's scale as a number."""
        return Fraction(self.case.scale)

    def write(self, path: Path) -> None:
        """Write the order for the trial's process."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> TrialSpec:
        """Read what `write` wrote."""
        raw = json.loads(path.read_text())
        raw["case"] = CaseSpec(**raw["case"])
        raw["cpus"] = tuple(raw["cpus"])
        raw["cgroups"] = tuple(raw["cgroups"])
        return cls(**raw)
