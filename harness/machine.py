"""What a figure was measured on: the machine, the commit, the packages."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

__all__ = [
    "Commit",
    "commit_of",
    "environment",
    "machine_facts",
    "machine_id",
    "package_versions",
    "source_digest",
]

# Variables that change a figure. Nothing else of the environment is ever written down.
ENVIRONMENT: Final = (
    "MALLOC_ARENA_MAX",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONMALLOC",
)
_SOURCES: Final = frozenset({".py", ".c", ".h", ".toml", ".json", ".ipynb"})
_PACKAGES: Final = (
    "ZODB",
    "blake3",
    "boto3",
    "cloudpickle",
    "dill",
    "h5py",
    "lz4",
    "numpy",
    "obstore",
    "pandas",
    "papermill",
    "pillow",
    "pyfuse3",
    "scikit-learn",
    "scipy",
    "torch",
    "torchvision",
    "trio",
)


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    match = re.search(r"^(?:model name|Model|CPU part)\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that bear on a figure, as far as they are installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, str]:
    """Return the allow-listed environment variables that are set."""
    return {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}


def machine_facts() -> dict[str, object]:
    """Return what describes this machine, without names or addresses."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu_model": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(memory_bytes / 2**30),
        "arch": platform.machine(),
        "os": platform.system(),
        "kernel": ".".join(platform.release().split(".")[:2]).split("-")[0],
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "packages": package_versions(),
        "environment": environment(),
        "root": os.geteuid() == 0,
    }


def machine_id(facts: Mapping[str, object]) -> str:
    """Return the hash of CPU model, cores, GiB and kernel major.minor: what makes figures comparable."""
    parts = (facts["cpu_model"], facts["cores"], facts["memory_gib"], facts["kernel"])
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Commit:
    """The repository's state; "none" before the first commit or outside of a clone."""

    id: str
    dirty: bool


def commit_of(folder: Path) -> Commit:
    """Return commit and dirty flag of the working tree at `folder`."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return Commit("none", dirty=True)
    # Results are what a run writes: they do not make the code that was measured another one.
    changes = git("status", "--porcelain", "--", ".", ":!results", ":!README.md")
    return Commit(commit, dirty=changes != "")


def source_digest(folder: Path) -> str:
    """Return one digest of all sources below a folder (Python, C, settings, notebooks), by relative name and content."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*.*") if path.suffix in _SOURCES):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
