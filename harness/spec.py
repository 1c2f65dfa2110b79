"""A trial's order, as JSON between the run, the trial's process and the notebook's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

__all__ = ["CaseSpec", "TrialSpec"]


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
        scale = self.scale.replace("/", "of")
        return "_".join(
            (self.system, self.config, self.access, self.mode, self.loader, self.s3, f"scale{scale}")
        )

    @property
    def group(self) -> str:
        """What must run together to be compared: the workload."""
        return f"{self.access}-{self.mode}"


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
        return cls(**raw)
