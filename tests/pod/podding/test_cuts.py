"""What must hold wherever pods are cut out."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

import pod
from pod.podding import BUNDLE, SPLIT, podding_named
from tests.pod.notebook import Notebook
from tests.pod.podding.policies import POLICIES, EveryThing

if TYPE_CHECKING:
    from pathlib import Path


class Only(EveryThing):
    """Cuts out what is of one of some types."""

    def __init__(self, *types: type) -> None:
        self._types = types

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        return SPLIT if isinstance(value, self._types) else BUNDLE


def test_a_function_that_is_cut_out_brings_the_variables_that_it_needs(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", podding=podding_named("naive")) as notebook:
        notebook.run("held = [[1]]\ndef g(): return held\na = [g]")
        loaded = notebook.store.load(1, names=["g"])
        assert loaded["g"]() == [[1]]


@pytest.mark.parametrize("cut", [(set,), (dict,), (set, dict), (tuple, set), (list, tuple)])
@pytest.mark.parametrize(
    "cell",
    [
        "k = K(1); k.s = {k}; k.d = {0: 1, k: 2}",
        "k = K(1); k.s = [{(k, 1)}, {(k, 2): k}]; k.d = {(k,): k.s}",
        "k = K(1); k.s = {j := K(2)}; j.s = {k: j}; j.d = [{(j, k)}]",
        "k = K(1); k.s = [{}]; k.s[0][k] = k.s",
    ],
)
def test_keys_are_hashed_when_they_are_whole(cut: tuple[type, ...], cell: str, tmp_path: Path) -> None:
    define = (
        "class K:\n def __init__(self, n): self.s = self.d = None; self.n = n\n def __hash__(self): return hash(self.n)\n"
        " def __eq__(self, o): return self.n == o.n\n"
    )
    with Notebook(tmp_path / "store", podding=Only(*cut)) as notebook:
        notebook.run(define + cell, "l = [k]")


@pytest.mark.parametrize(
    "cell",
    [
        "v = []; a = []; x = [a]; a += [x, v]; y = (x,); v += [a, y]",
        "v = []; t = ([v],); t[0].append(t); v += [t, (t, [t])]; y = [t]",
        "class D:\n def __init__(self, *a): self.a = a\n def __reduce__(self): return D, self.a\n"
        "v = []; a = [v]; d = D(a, [a]); a.append(d); v += [{'d': d}, a]; y = {1: d}",
        "from functools import partial\nv = [1]; p = partial(list, v); v.append((p, [p])); w = {'v': v}; y = [p]",
    ],
)
@pytest.mark.parametrize("policy", POLICIES)
def test_what_leads_back_is_read_whatever_is_read_first(cell: str, policy: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", podding=POLICIES[policy]) as notebook:
        notebook.run(cell, "z = [y, v]", "del v")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_root_that_was_referred_to_before_it_was_whole_is_known_by_one_oid_after_a_load(
    policy: str, tmp_path: Path
) -> None:
    cell = "class Node: pass\np = Node(); s = p.__dict__ = vars(p); s['more'] = p; r = [p]"
    with Notebook(tmp_path / "store", podding=POLICIES[policy]) as notebook:
        notebook.run(cell)
        notebook.ns = notebook.store.load(1)
        notebook.run("s = 1", "q = s")


def test_how_a_pod_is_cut_into_chunks_does_not_depend_on_what_it_lies_in(tmp_path: Path) -> None:
    rows = "rows = [[f'row {i} of {n}' for i in range(3000)] for n in range(3)]"
    with Notebook(tmp_path / "store", podding=Only(list)) as notebook:
        notebook.run(rows, "first = [rows[0][:]]; first += [None] * 500; rows = None")
        assert list(notebook.reports.values())[-1].bytes_written < 5_000


def test_what_is_shown_lasts(tmp_path: Path) -> None:
    """What an object is taken apart to is no object of the user's, and gets no pod that the next save could not find."""
    shown: list[str] = []

    class Noting(EveryThing):
        def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
            shown.append(type(value).__name__)
            return SPLIT

    cell = "import collections as c, numpy; x = [c.Counter('aab'), c.OrderedDict(k=[1]), numpy.zeros(2)]; del c, numpy"
    with Notebook(tmp_path / "store", podding=Noting()) as notebook:
        (tid,) = notebook.run(cell)
        assert shown == ["Counter", "OrderedDict", "list", "ndarray"]
        assert notebook.reports[notebook.save(full=True)].bytes_written < 500
        assert notebook.reports[tid].pods_new == 5


def test_nothing_is_held_that_the_user_let_go_of(tmp_path: Path) -> None:
    with pod.open(tmp_path / "store", podding=podding_named("naive")) as store:
        ns = pod.new_managed_namespace({"x": [{"let go of": [1]} for _ in range(50)]})
        store.save(ns)
        del ns["x"]
        store.save(ns)
        gc.collect()
        assert not [found for found in gc.get_objects() if type(found) is dict and "let go of" in found]
