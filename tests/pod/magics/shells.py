"""A real IPython shell with the extension, and what each version held when its cell had run."""

from __future__ import annotations

import atexit
import contextlib
import io
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import pod
from harness.oracle import Portrait, differences, portray
from pod.tracking import variables_of

__all__ = ["ShellNotebook"]


class ShellNotebook:
    """A shell of its own, with the extension loaded and a store in a folder, or in the default one.

    Attributes
    ----------
    said, failed
        What was written to standard error and output by the last cell, and whether it raised.
    """

    def __init__(self, folder: Path, *, default: bool = False) -> None:
        self.folder = folder
        self._modules = dict(sys.modules)
        self._hooks = sys.excepthook, sys.displayhook
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "NoColor"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.shell = InteractiveShell(config=config, ipython_dir=str(folder.parent / "ipython"))
        self.said = self.shown = ""
        self.failed = False
        self.versions: dict[int, Portrait] = {}
        self.cell("%load_ext pod", *([] if default else [f"%pod open {folder}"]))

    @property
    def space(self) -> dict[str, Any]:
        """The namespace."""
        return self.shell.user_ns

    @property
    def store(self) -> pod.Store:
        """The store that the extension has open."""
        store: pod.Store = self.extension.store
        return store

    @property
    def extension(self) -> Any:
        """The extension itself."""
        return vars(self.shell)["_pod_extension"]["pod"]

    def cell(self, *sources: str) -> None:
        """Run cells as a user does."""
        for source in sources:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = self.shell.run_cell(source, store_history=True)
            self.failed = not result.success
            self.shown, self.said = out.getvalue(), err.getvalue()

    def variables(self) -> dict[str, object]:
        """Return the variables, without touching them."""
        return variables_of(self.space)

    def portrait(self) -> Portrait:
        """Return what the namespace holds now."""
        return portray(self.space, list(self.variables()))

    def run(self, *sources: str) -> None:
        """Run cells, and remember what the version of each must hold."""
        for source in sources:
            before = self.tid
            self.cell(source)
            assert self.tid > before, f"no version after {source!r}: {self.said}"
            self.remember()

    def remember(self) -> None:
        """Remember that the newest version must hold what the namespace does now."""
        whole = self.portrait()
        unsaved = {lost.name for lost in self.store.version(self.tid).unsaved}
        must = {name for name in whole.names if not whole.reaches_opaque(name)}
        assert not must & unsaved, f"could not be saved: {sorted(must & unsaved)}"
        self.versions[self.tid] = whole.of(whole.names - unsaved)

    def check(self, *, whole: bool = True) -> None:
        """Compare what the versions hold with what they must; where not `whole`, but what the oracle can vouch for."""
        for tid, expected in self.versions.items():
            actual = portray(self.store.load(tid))
            assert actual.names == expected.names, f"version {tid}"
            sure = expected.names if whole else {n for n in expected.names if not expected.reaches_opaque(n)}
            assert differences(expected, actual, sure) == [], f"version {tid}"

    @property
    def tid(self) -> int:
        """The newest version, 0 if there is none."""
        versions = self.store.log()
        return versions[0].tid if versions else 0

    def looked_at(self) -> int:
        """Return at how many variables the last save looked."""
        found: int = self.extension._follower.looked_at
        return found

    def names_changed(self, a: int, b: int) -> Sequence[str]:
        """Return the names that differ between two versions."""
        found = self.store.diff(a, b)
        return sorted(change.name for change in (*found.added, *found.removed, *found.changed))

    def close(self) -> None:
        """End it, and let the process be as it was."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.shell.run_line_magic("unload_ext", "pod")
            self.shell.restore_sys_module_state()
            atexit.unregister(self.shell.atexit_operations)
            self.shell.atexit_operations()
        sys.excepthook, sys.displayhook = self._hooks
        sys.modules["__main__"] = self._modules["__main__"]

    def __enter__(self) -> ShellNotebook:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
