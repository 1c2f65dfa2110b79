"""A frozenset that its members' hashes depend on cannot be made again: it is reported, not wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pod
from tests.pod.notebook import Notebook

if TYPE_CHECKING:
    from pathlib import Path

_KEY = """
class Key:
    __slots__ = ("__dict__", "n")
    def __init__(self, n): self.n = n
    def __hash__(self): return hash(getattr(self, "n", 0))
    def __eq__(self, other): return type(other) is type(self) and self.n == other.n
x = Key(1); x.all = frozenset([x]); rest = [1]
"""


def test_a_frozenset_that_would_not_find_its_members_is_reported(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(_KEY)
        tid = notebook.store.save(notebook.ns)
        with pytest.warns(pod.UnloadedWarning, match=r"x \(ValueError: a frozenset"):
            loaded = notebook.store.load(tid)
        assert [lost.name for lost in loaded.unloaded] == ["x"]
        assert loaded["rest"] == [1]
        with pytest.raises(pod.CannotLoad, match="variable x cannot be loaded here: ValueError: a frozenset"):
            notebook.store.load(tid, ["x"])
