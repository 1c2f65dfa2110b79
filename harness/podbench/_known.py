"""The workloads that a request can name, and the reference runs that versions are compared with."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from harness.podbench._order import Order
from harness.podworkloads import TIMEOUT_S, WORKLOADS, Reference, Workload, from_notebook, reference

__all__ = ["ALIASES", "find_workload", "make_reference", "parameters_known", "reference_of", "workload_of"]

# The published driver's own names of two systems, which one of its README's commands types.
ALIASES: Final[Mapping[str, str]] = {"snapshotzlib": "snz", "snapshotxdelta": "snx"}


def parameters_known() -> dict[str, tuple[str, ...]]:
    """Return the names of the parameters of each workload, by its name."""
    return {name: tuple(workload.parameters) for name, workload in WORKLOADS.items()}


def find_workload(name: str, notebook: str | None = None, data: str | None = None) -> Workload:
    """Return a workload: a known one, or the user's notebook; on the user's data, if there are.

    Raises
    ------
    UsageError
        There is no such notebook, it cannot be read, or the data are not what the workload reads.
    """
    folder = None if data is None else Path(data)
    if notebook is not None:
        return from_notebook(Path(notebook), folder)
    return WORKLOADS[name] if folder is None else WORKLOADS[name].on(folder)


def workload_of(order: Order) -> Workload:
    """Return the workload of a trial."""
    return find_workload(order.workload, order.notebook, order.data)


def make_reference(
    order: Order, say: Callable[[str], None] = lambda _: None, timeout_s: float = TIMEOUT_S
) -> Reference:
    """Make what a trial's versions are compared with, unless it is there; write it where the order says."""
    made = reference(
        workload_of(order), dict(order.parameters), order.scale, Path(order.cache), say, timeout_s
    )
    path = Path(order.reference)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(made))
    return made


def reference_of(order: Order) -> Reference:
    """Return what a trial's versions are compared with."""
    found: Reference = pickle.loads(Path(order.reference).read_bytes())  # noqa: S301 - by `make_reference`
    return found
