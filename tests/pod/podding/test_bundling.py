"""Properties of whole stores: what is never split, and that fixed decisions can be tried one by one."""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import pod
from harness.oracle import differences, portray
from pod.podding import Exhaustive, podding_named
from tests.pod.notebook import Notebook

nested = st.recursive(
    st.one_of(st.integers(0, 5), st.text(max_size=3), st.binary(min_size=1000, max_size=3000)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(max_size=2), inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=25,
)


def _written(folder: Path, policy: str, values: dict[str, Any], more: object) -> list[tuple[int, int, int]]:
    """Return what two saves said: pods, and bytes."""
    with pod.open(folder, podding=podding_named(policy)) as store:
        ns = pod.new_managed_namespace(dict(values))
        reports = [store.save(ns)]
        ns["more"] = more
        ns["more"], ns["held"] = [more, *values.values()], ns["more"]
        reports.append(store.save(ns))
        held = portray(ns)
        assert differences(held, portray(store.load(reports[-1]))) == []
        return [(report.pods_new, report.pods_reused, report.bytes_written) for report in reports]


@given(st.dictionaries(st.sampled_from("abc"), nested, min_size=1, max_size=3), nested)
@settings(max_examples=25, deadline=None)
def test_certain_change_and_none_are_as_if_all_were_bundled(values: dict[str, Any], more: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        expected = _written(Path(folder) / "bundle", "bundle", values, more)
        for policy in ("const(0)", "const(1)"):
            assert _written(Path(folder) / policy, policy, values, more) == expected


def test_all_decisions_can_be_tried(tmp_path: Path) -> None:
    cell = "x = [[1], {'k': [2]}, (3,), {4}]"
    policy = Exhaustive()
    with Notebook(tmp_path / "first", podding=policy) as notebook:
        notebook.run(cell)
    assert policy.asked == 4
    pods = []
    for bits in product("01", repeat=policy.asked):
        with Notebook(tmp_path / "".join(bits), podding=Exhaustive("".join(bits))) as notebook:
            (tid,) = notebook.run(cell)
            pods.append(notebook.reports[tid].pods_new)
    assert pods == [1 + bits.count("1") for bits in product("01", repeat=policy.asked)]


def test_two_sessions_of_a_store_share_no_policy(tmp_path: Path) -> None:
    rows = "x = [[None] * 300 for _ in range(5)]"
    with Notebook(tmp_path / "store", podding=podding_named("lga")) as notebook:
        first = notebook.reports[notebook.run(rows)[0]].pods_new
        notebook.ns = pod.new_managed_namespace()
        notebook.cell(rows)
        assert notebook.reports[notebook.save()].pods_new == 0
        assert first == 2
        notebook.check()
