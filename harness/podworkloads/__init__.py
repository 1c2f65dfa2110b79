"""The sessions that systems are measured on, and what their variables must be after each cell.

`WORKLOADS` has the published ones by name, re-written on synthetic data; `from_notebook` makes one of any notebook.
`reference` runs a workload's cells without any system and keeps what the oracle saw.
"""

from __future__ import annotations

from harness.podworkloads._order import SEED
from harness.podworkloads._reference import TIMEOUT_S, Reference, ReferenceCell, reference
from harness.podworkloads._registry import WORKLOADS, from_notebook
from harness.podworkloads._spec import TOLERANCE, Published
from harness.podworkloads._workload import Workload

__all__ = [
    "SEED",
    "TIMEOUT_S",
    "TOLERANCE",
    "WORKLOADS",
    "Published",
    "Reference",
    "ReferenceCell",
    "Workload",
    "from_notebook",
    "reference",
]
