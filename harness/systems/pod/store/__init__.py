"""pod's store: one system for each row of configurations.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from harness.errors import UsageError
from harness.systems.pod._protocol import Registration, VersionSystem, package_version
from harness.systems.pod._servers import SERVERS
from harness.systems.pod.store._configurations import Configuration, configurations
from harness.systems.pod.store._system import PodStore, PodWithoutSaves

__all__ = ["PYTHON_KERNEL", "SYSTEMS", "PodStore"]


def _registered(name: str, row: Configuration) -> Registration:
    database = SERVERS.get(row.backend)

    def opened(folder: Path, fidelity: str, existing: bool) -> VersionSystem:
        if existing and row.backend == "memory":
            raise UsageError(f"{name} keeps its versions in memory: no other process has them")
        server = database.start(folder) if database is not None else None
        try:
            return (PodStore if row.saves else PodWithoutSaves)(name, folder, row, fidelity, server)
        except BaseException:
            if server is not None:
                server.close()
            raise

    def how_to_get() -> str | None:
        return _how_to_get_kernel() if database is None else database.how_to_get() or _how_to_get_kernel()

    def version() -> str:
        return package_version() if database is None else f"{package_version()}, {database.version()}"

    return Registration(
        name,
        opened,
        row.recorded,
        how_to_get,
        version,
        outlives_process=row.saves and row.backend != "memory",
        has_server=database is not None,
    )


def _how_to_get_kernel() -> str | None:
    import pod

    return None if pod.in_kernel() else "make setup, where a C compiler is: it builds pod's kernel"


def _open_without_kernel(folder: Path, fidelity: str, _existing: bool) -> VersionSystem:
    os.environ["POD_KERNEL"] = "python"  # before pod is imported: each trial is a process of its own
    return PodStore("pod-python", folder, configurations()["pod"], fidelity)


SYSTEMS: Final[tuple[Registration, ...]] = tuple(_registered(*row) for row in configurations().items())
PYTHON_KERNEL: Final = Registration(
    "pod-python", _open_without_kernel, configurations()["pod"].recorded, lambda: None
)
"""pod with its pure-Python fallback in the place of the kernel: for pod-micro."""
