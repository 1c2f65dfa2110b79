"""Policies of podding: whatever is cut, what is loaded is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.oracle import differences, portray
from pod.podding import RandomPodding
from tests.pod.notebook import Notebook
from tests.pod.podding.policies import POLICIES

if TYPE_CHECKING:
    from pathlib import Path

CELLS = (
    "a = [[i, {'k': [i]}] for i in range(40)]; b = a[3]; c = {'a': a, 'b': b, 't': (b, (a,))}",
    "class C: held = b\nc['c'] = C(); c['c'].all = c; a.append(c)",
    "b.append(a[0]); a[1][1]['k'].append((b, C))",
    "s = {(1, 2), frozenset([3])}; d = [s, s, b]; del a",
    "c['t'][0][1]['k'].extend(d)",
)
OBJECTS = (
    "import numpy as np, datetime\nfrom collections import OrderedDict, deque\n"
    "def f(x, more=[1]): return g, x, more\ndef g(): return f, held\n"
    "held = OrderedDict(q=deque([[1], [2]])); x = np.arange(6); v = x[2:]\n"
    "many = [np.full(3, i) for i in range(8)] + [datetime.date(2020, 1, 1), f, v]",
    "o = np.empty(3, object); o[0] = held; o[1] = o; o[2] = many; held['o'] = o; v[0] = 7",
    "f.__defaults__[0].append(held['q'][0]); held['q'][0].append(g); many[2][1] = -1",
    "from functools import partial; p = partial(f, held, more=many); held['p'] = (p, [p]); del x",
    "p.args[0]['q'].append(v); v[1] = 8",
)


@pytest.mark.parametrize("policy", POLICIES)
class TestEveryPolicy:
    @pytest.mark.parametrize("cells", [CELLS, OBJECTS], ids=["containers", "objects"])
    def test_every_version_is_as_it_was(self, cells: tuple[str, ...], policy: str, tmp_path: Path) -> None:
        with Notebook(tmp_path / "store", podding=POLICIES[policy]) as notebook:
            notebook.run(*cells)
            assert len(notebook.versions) == len(cells)

    @pytest.mark.parametrize("cells", [CELLS, OBJECTS], ids=["containers", "objects"])
    def test_equal_graphs_have_equal_pods(self, cells: tuple[str, ...], policy: str, tmp_path: Path) -> None:
        with Notebook(tmp_path / "store", podding=POLICIES[policy]) as notebook:
            notebook.run(*cells)
        with Notebook(tmp_path / "store", podding=POLICIES[policy]) as again:
            again.run(*cells)
            assert [report.pods_new for report in again.reports.values()] == [0] * len(cells)

    @pytest.mark.parametrize("cells", [CELLS, OBJECTS], ids=["containers", "objects"])
    def test_what_was_loaded_saves_again_as_it_was(
        self, cells: tuple[str, ...], policy: str, tmp_path: Path
    ) -> None:
        with Notebook(tmp_path / "store", podding=POLICIES[policy]) as notebook:
            tid = notebook.run(*cells)[-1]
            notebook.ns = notebook.store.load(tid)
            full = notebook.save(full=True)
            assert differences(notebook.versions[tid], portray(notebook.store.load(full))) == []
            if not isinstance(POLICIES[policy], RandomPodding):
                again = notebook.save(full=True)
                assert notebook.reports[again].pods_new == 0

    def test_a_policy_outlives_a_save_that_starts_over(self, policy: str, tmp_path: Path) -> None:
        with Notebook(tmp_path / "store", podding=POLICIES[policy]) as notebook:
            notebook.run(
                "a = [[n] * 30 for n in range(60)]; b = {'k': [1]}; c = [b]",
                "a.append(b)",  # leads into a pod that was thought untouched
                "c.append(n for n in ())",  # cannot be saved
                "d = [c[0], a[5], {'more': a}]; del c[1]",
            )
            assert [report.unsaved == () for report in notebook.reports.values()] == [True, True, False, True]
