"""Very many pods, beside each other and one below the other. Each in a process of its own, so that a crash is a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pod.notebook import run_python

_RUN = """
import sys, pod
from pod.podding import podding_named
sys.setrecursionlimit(1000)
ns = pod.new_managed_namespace()
exec(sys.argv[3], ns)
with pod.open(sys.argv[1], podding=podding_named(sys.argv[2])) as store:
    report = store.save(ns)
    assert report.unsaved == (), report.unsaved
    exec(sys.argv[4], {"x": store.load(report)["x"]})
    exec(sys.argv[4], {"x": store.load(report, names=["x"])["x"]})
    exec(sys.argv[5], ns)
    again = store.save(ns)
    exec(sys.argv[6], {"x": store.load(again)["x"]})
    print(report.pods_new, again.pods_new)
"""
_DEEP = (
    "x = [7]\nfor _ in range({n}): x = [x]",
    "for _ in range({n}): x = x[0]\nassert x == [7]",
    "x = [x]",
    "for _ in range({n} + 1): x = x[0]\nassert x == [7]",
)
_UP_AND_DOWN = (
    "x = top = {{}}\nfor _ in range({n}): x['down'] = {{'up': x, 'top': top}}; x = x['down']\nx = top; del top",
    "top = x\nfor _ in range({n}):\n assert x['down']['up'] is x and x['down']['top'] is top\n x = x['down']",
    "x['more'] = [1]",
    "assert x['more'] == [1] and x['down']['up'] is x",
)
_WIDE = (
    "x = [{{'i': i, 'more': [i]}} for i in range({n})]",
    "assert len(x) == {n} and x[{n} // 2] == {{'i': {n} // 2, 'more': [{n} // 2]}}",
    "x[5]['more'].append(1)",
    "assert x[5] == {{'i': 5, 'more': [5, 1]}}",
)


def _pods(folder: Path, policy: str, shape: tuple[str, ...], size: int) -> list[int]:
    done = run_python(_RUN, folder, policy, *(source.format(n=size) for source in shape), timeout_s=500)
    return [int(found) for found in done.stdout.split()]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(_DEEP, [5001, 0]), (_UP_AND_DOWN, [5001, 2]), (_WIDE, [10_001, 1])],
    ids=["deep", "up and down", "wide"],
)
def test_thousands_of_pods(shape: tuple[str, ...], expected: list[int], tmp_path: Path) -> None:
    assert _pods(tmp_path / "store", "naive", shape, 5000) == expected


def test_the_learned_greedy_algorithm_bundles_small_objects(tmp_path: Path) -> None:
    first, again = _pods(tmp_path / "store", "lga", _WIDE, 50_000)
    assert first < 50
    assert again == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", [_DEEP, _UP_AND_DOWN, _WIDE], ids=["deep", "up and down", "wide"])
def test_a_hundred_thousand_pods(shape: tuple[str, ...], tmp_path: Path) -> None:
    assert _pods(tmp_path / "store", "naive", shape, 100_000)[0] > 100_000
