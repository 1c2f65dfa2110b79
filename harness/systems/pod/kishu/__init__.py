"""Kishu (PyPI): commits after each cell what changed of a notebook's variables, into SQLite; loads by checking a commit out.

It lives in IPython, as its users have it, and in an environment of its own (``make peers PEERS=kishu``), whose interpreter
runs the trial. Its commit, which it makes when a cell has run, is what is timed as the save. Checking out gives all variables
of a commit, whatever names are asked for, in the place of those that are there: the session's namespace is what a load gives.
What it cannot store it computes again. Variables whose names begin with an underscore it leaves out.

Of release 0.3.4 two things are known, in a kernel as here. It puts a namespace of its own into the shell, which dill does
not find as that of `__main__`: a function that is restored finds no variable of the session. And it follows functions that
call each other until Python's stack ends: such a cell fails its commit.
"""

from __future__ import annotations

import configparser
import os
import random
import subprocess
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, Final

from harness.home import find_home
from harness.oracle import MACHINERY
from harness.systems.pod._base import Synchronous, bytes_below
from harness.systems.pod._protocol import Registration, Version, VersionSystem

__all__ = ["SYSTEMS", "Kishu"]

_HOW: Final = "make peers PEERS=kishu"
_VERSIONS: Final = """
import platform
from importlib.metadata import version

others = [f"{name} {version(name)}" for name in ("dill", "ipython", "numpy", "pandas")]
print(version("kishu"), *others, f"Python {platform.python_version()}", sep=", ")
"""
_WHY_UNSAVED: Final = "Kishu takes its name for one of IPython's own"
_CATEGORIES: Final = ("CLI", "COMMIT_GRAPH", "IDGRAPH", "JUPYTERINT", "OPTIMIZER", "PLANNER", "PROFILER")


class Kishu(Synchronous):
    """An IPython shell of this process with Kishu in it; versions are commits."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder.absolute())
        notebook = self._folder / "session.ipynb"
        _configure(self._folder, notebook)
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        no_history = Config({"HistoryManager": {"hist_file": ":memory:"}})
        shell: Any = InteractiveShell.instance(config=no_history)
        self._shell = shell
        shell.run_cell(
            f"from kishu import init_kishu; init_kishu({str(notebook)!r})", silent=True
        ).raise_error()
        self._kishu = self._shell.user_ns["_kishu"]
        self._there = frozenset(dict.keys(self._shell.user_ns))
        self._shell.events.unregister("post_run_cell", self._kishu.post_run_cell)
        self._result: Any = None

    def namespace(self) -> dict[str, Any]:
        found: dict[str, Any] = self._shell.user_ns
        return found

    def run(self, _code: CodeType, source: str, _namespace: dict[str, Any]) -> None:
        self._result = self._shell.run_cell(source, store_history=True)
        self._result.raise_error()

    def save(self, _namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        shown = self.namespace()
        left_out = {name: dict.pop(shown, name) for name in exclude if dict.__contains__(shown, name)}
        drawn = random.getstate()
        try:
            self._kishu.post_run_cell(self._result)
        finally:
            dict.update(shown, left_out)
            random.setstate(drawn)  # it draws names of branches; cells are to draw what they do without it
        self._unsaved = dict.fromkeys(self._not_stored() - set(exclude), _WHY_UNSAVED)
        return str(self._kishu._kishu_graph.head())

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        self._kishu.checkout(str(version), skip_notebook=True)
        for name in self._not_stored():
            dict.pop(self._shell.user_ns, name)  # of another version
        return self.namespace()

    def _not_stored(self) -> set[str]:
        """Return the names of the variables that Kishu leaves out."""
        from kishu.jupyter.namespace import Namespace

        items = dict.items(self._shell.user_ns)
        users = [item for item in items if item[0] not in self._there and not MACHINERY.fullmatch(item[0])]
        return {item[0] for item in users if not Namespace.no_ipython_var(item)}

    def size(self) -> int:
        return bytes_below(self._folder)


def _configure(folder: Path, notebook: Path) -> None:
    """Make a notebook without a front end: Kishu must not wait for one that saves it."""
    import nbformat

    v4: Any = nbformat.v4
    os.environ["KISHU_PATH_ROOT"] = str(folder)
    os.environ["TEST_NOTEBOOK_PATH"] = str(notebook)  # instead of asking a Jupyter server for it
    os.environ["IPYTHONDIR"] = str(folder / "ipython")
    settings = configparser.ConfigParser()
    for category in _CATEGORIES:
        settings[category] = {}
    settings["JUPYTERINT"]["test_mode"] = "True"
    path = folder / ".kishu" / "config.ini"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        settings.write(file)
    if not notebook.exists():
        notebook.write_text(v4.writes(v4.new_notebook()))


def _python() -> Path:
    return find_home().cache / "peers" / "kishu" / "bin" / "python"


@cache
def _found() -> str | None:
    """Return the version of Kishu that is installed, and what it runs on; None without one."""
    if not _python().exists():
        return None
    done = subprocess.run([str(_python()), "-c", _VERSIONS], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _open(folder: Path, _fidelity: str, _existing: bool) -> VersionSystem:
    return Kishu("kishu", folder)


SYSTEMS: Final = (
    Registration(
        "kishu",
        _open,
        lambda _fidelity: {"mode": "sync", "partial_load": "no effect"},
        lambda: None if _found() else _HOW,
        lambda: _found() or "unknown",
        python=lambda: str(_python()),
    ),
)
