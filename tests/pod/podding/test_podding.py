"""Policies of podding: whatever is cut, what is loaded is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.oracle import differences, portray
from pod.podding import ByVariable
from tests.pod.notebook import Notebook

if TYPE_CHECKING:
    from pathlib import Path

    from pod.podding import Podding

CELLS = (
    "a = [[i, {'k': [i]}] for i in range(40)]; b = a[3]; c = {'a': a, 'b': b, 't': (b, (a,))}",
    "class C: held = b\nc['c'] = C(); c['c'].all = c; a.append(c)",
    "b.append(a[0]); a[1][1]['k'].append((b, C))",
    "s = {(1, 2), frozenset([3])}; d = [s, s, b]; del a",
    "c['t'][0][1]['k'].extend(d)",
)


class PoddingSuite:
    """What every `Podding` must do."""

    podding: Podding

    def test_every_version_is_as_it_was(self, tmp_path: Path) -> None:
        with Notebook(tmp_path / "store", podding=self.podding) as notebook:
            notebook.run(*CELLS)
            assert len(notebook.versions) == len(CELLS)

    def test_equal_graphs_have_equal_pods(self, tmp_path: Path) -> None:
        with Notebook(tmp_path / "store", podding=self.podding) as notebook:
            notebook.run(*CELLS)
        with Notebook(tmp_path / "store", podding=self.podding) as again:
            again.run(*CELLS)
            assert [report.pods_new for report in again.reports.values()] == [0] * len(CELLS)

    def test_what_was_loaded_saves_again_as_it_was(self, tmp_path: Path) -> None:
        with Notebook(tmp_path / "store", podding=self.podding) as notebook:
            tid = notebook.run(*CELLS)[-1]
            notebook.ns = notebook.store.load(tid)
            full = notebook.save(full=True)
            assert differences(notebook.versions[tid], portray(notebook.store.load(full))) == []


class TestByVariable(PoddingSuite):
    podding = ByVariable()


class EveryContainer:
    """A policy that cuts at every container: the other extreme."""

    apart_least = 0

    def apart(self, value: object, /) -> bool:
        return True


class TestEveryContainer(PoddingSuite):
    podding = EveryContainer()


class LongLists:
    """A policy that cuts at some."""

    apart_least = 3

    def apart(self, value: object, /) -> bool:
        return isinstance(value, list)


class TestLongLists(PoddingSuite):
    podding = LongLists()
