"""pod's store, with its compiled kernel and without."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

__all__ = ["PodPythonStore", "PodStore"]


class PodStore:
    """pod as it is installed."""

    name: ClassVar[str] = "pod"
    saves_code: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        import pod

        self.store = pod.open(folder)

    @classmethod
    def how_to_get(cls) -> str | None:
        import pod

        return None if pod.in_kernel() else "make setup, where a C compiler is: it builds pod's kernel"

    @classmethod
    def version(cls) -> str:
        return metadata.version("pond-pod-bench")

    def namespace(self) -> dict[str, Any]:
        import pod

        return pod.new_managed_namespace({"__name__": "__main__"})

    def save(self, namespace: Mapping[str, Any]) -> object:
        return self.store.save(namespace)

    def load(self, version: Any, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        return self.store.load(version, names=names)

    def close(self) -> None:
        self.store.close()


class PodPythonStore(PodStore):
    """pod with its pure-Python fallback in the place of the kernel."""

    name: ClassVar[str] = "pod-python"

    def __init__(self, folder: Path) -> None:
        os.environ["POD_KERNEL"] = "python"  # before pod is imported: each trial is a process of its own
        super().__init__(folder)

    @classmethod
    def how_to_get(cls) -> str | None:
        return None
