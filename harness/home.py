"""Where results, caches and notebooks lie: the repository, or the folder that HARNESS_HOME names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import UsageError

__all__ = ["Home", "find_home", "notebook_path"]

_REPOSITORY: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds ``results/`` and ``.cache/``."""

    folder: Path

    @property
    def results(self) -> Path:
        """Published results, one folder a suite; ``local/`` holds the runs."""
        return self.folder / "results"

    @property
    def runs(self) -> Path:
        """Runs on this machine, not committed."""
        return self.results / "local"

    @property
    def cache(self) -> Path:
        """Datasets and packed volumes, used again by later runs; HARNESS_CACHE puts them on another disk."""
        if elsewhere := os.environ.get("HARNESS_CACHE"):
            return Path(elsewhere).resolve()
        if (self.folder / "pyproject.toml").exists() or "HARNESS_HOME" in os.environ:
            return self.folder / ".cache"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pond-pod-bench"

    @property
    def readme(self) -> Path:
        """The README that the results table goes into."""
        return self.folder / "README.md"

    @property
    def published(self) -> Path:
        """The published figures of the systems that this repository starts from."""
        return self.folder / "results" / "published"


def find_home() -> Home:
    """Return HARNESS_HOME, else the clone that this package is run from, else the current folder."""
    if named := os.environ.get("HARNESS_HOME"):
        return Home(Path(named).resolve())
    return Home(_REPOSITORY if (_REPOSITORY / "pyproject.toml").exists() else Path.cwd())


def notebook_path(name: str = "fuse/load_images.ipynb") -> Path:
    """Return the notebook that a trial executes.

    Raises
    ------
    UsageError
        This is no clone of the repository.
    """
    path = _REPOSITORY / "notebooks" / name
    if not path.exists():
        raise UsageError(f"notebooks/{name} is not here: run from a clone of the repository")
    return path
