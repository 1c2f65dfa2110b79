"""A trial's order: JSON between the run, the driver notebook and the trial's process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.podworkloads import SEED

__all__ = ["Order"]


@dataclass(frozen=True, slots=True)
class Order:
    """What one trial is to do. Holds paths, so it is never published.

    Attributes
    ----------
    system, workload
        Their names.
    parameters
        All of the workload's.
    exclude
        Whether the data variables are left out of every save.
    notebook
        The user's own notebook, which then is the workload.
    scale, fidelity
        As for `harness.podworkloads` and `harness.systems.pod`.
    data
        The user's own data, in the place of the workload's.
    cache
        Where made data and reference runs are kept.
    reference
        The file of the reference run: the trial neither makes nor looks for one.
    environment
        What the trial's process gets beside the run's own.
    python
        The interpreter of the system.
    directory
        The current folder of the cells.
    folder
        The trial's own: order, store, result.
    log
        What the trial's process says goes there.
    seed
        Of `random` and numpy before the first cell, as in the reference run, and of the order of the loads.
    """

    system: str
    workload: str
    parameters: Mapping[str, int]
    exclude: bool
    notebook: str | None
    scale: float
    fidelity: str
    data: str | None
    cache: str
    reference: str
    environment: Mapping[str, str]
    python: str
    directory: str
    folder: str
    log: str
    seed: int = field(default=SEED)

    @property
    def store(self) -> Path:
        """Where the system keeps its versions."""
        return Path(self.folder) / "store"

    @property
    def result(self) -> Path:
        """What the trial writes."""
        return Path(self.folder) / "result.json"

    @property
    def failed(self) -> Path:
        """What is written where there is no result."""
        return Path(self.folder) / "failed.json"

    @property
    def path(self) -> Path:
        """Where the order itself is kept."""
        return Path(self.folder) / "order.json"

    def write(self) -> Path:
        """Write the order into its folder."""
        self.path.write_text(json.dumps(asdict(self)))
        return self.path

    @classmethod
    def read(cls, path: Path) -> Order:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text()))
