"""A notebook on a store: run cells, save, and compare every version that was saved with the oracle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pod
from harness.oracle import Portrait, differences, portray

__all__ = ["Notebook", "child_environment", "loaded_elsewhere", "run_python"]

ROOT = Path(__file__).resolve().parents[2]


class Notebook:
    """A managed namespace, its store, and what each version held when it was saved."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.options = options
        self.store = pod.open(folder, **options)
        self.ns: pod.Namespace = pod.new_managed_namespace()
        self.versions: dict[int, Portrait] = {}
        self.reports: dict[int, pod.SaveReport] = {}

    def cell(self, *sources: str) -> None:
        """Run cells."""
        for source in sources:
            exec(compile(source, "<cell>", "exec", dont_inherit=True), self.ns)

    def save(self, **options: Any) -> int:
        """Save, and remember what was saved."""
        return self.remember(self.store.save(self.ns, **options))

    def remember(self, report: pod.SaveReport, portrait: Portrait | None = None) -> int:
        """Remember what a version must hold: what the namespace holds now, unless another portrait is given."""
        whole = portrait or portray(self.ns)
        unsaved = {each.name for each in report.unsaved}
        self.versions[int(report)] = whole.of(whole.names - unsaved)
        self.reports[int(report)] = report
        return int(report)

    def run(self, *cells: str) -> list[int]:
        """Save after each cell, and check all versions at the end; return their tids."""
        tids = []
        for source in cells:
            self.cell(source)
            tids.append(self.save())
        self.check()
        return tids

    def check(self, tids: Iterable[int] | None = None) -> None:
        """Compare versions, whole and in parts, as this process loads them."""
        for tid in self.versions if tids is None else tids:
            expected = self.versions[tid]
            assert differences(expected, portray(self.store.load(tid))) == []
            for name in sorted(expected.names):
                loaded = portray(self.store.load(tid, names=[name]))
                assert differences(expected, loaded, [name]) == [], f"{name} alone"

    def reopen(self) -> None:
        """Close the store and open it again."""
        self.store.close()
        self.store = pod.open(self.folder, **self.options)

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def child_environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that finds what this one finds."""
    path = os.pathsep.join([str(ROOT), *[entry for entry in sys.path if entry]])
    return {**os.environ, "PYTHONPATH": path, **more}


def run_python(
    source: str,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout_s: float = 100,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh process that finds pod and the tests."""
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        input=stdin,
        env=child_environment(**(env or {})),
    )
    assert not check or done.returncode == 0, f"exit {done.returncode}: {done.stderr[-3000:]}"
    return done


def loaded_elsewhere(folder: Path, tid: int, names: Sequence[str] | None = None) -> str:
    """Return the digest of what a fresh process loads."""
    source = (
        "import sys, pod\nfrom harness.oracle import portray\n"
        "names = sys.argv[3].split() or None\n"
        "print(portray(pod.open(sys.argv[1], create=False).load(int(sys.argv[2]), names=names)).digest())"
    )
    return run_python(source, folder, tid, " ".join(names or ())).stdout.strip()
