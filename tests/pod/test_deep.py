"""Graphs that are deep or wide. Each in a process of its own, so that a crash is a failure and not the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pod.notebook import run_python

_RUN = """
import gc, sys, time, pod
sys.setrecursionlimit(1000)
ns = pod.new_managed_namespace()
exec(sys.argv[2], ns)
began = time.perf_counter()
with pod.open(sys.argv[1]) as store:
    report = store.save(ns)
    assert report.unsaved == (), report.unsaved
    saved = time.perf_counter()
    loaded = store.load(report)
    done = time.perf_counter()
    assert sys.getrecursionlimit() == 1000
    exec(sys.argv[3], {"x": loaded["x"], "loaded": loaded})
    exec(sys.argv[4], ns)
    again = store.save(ns)
    print(f"save {saved - began:.2f} s, load {done - saved:.2f} s, again {again.bytes_written} bytes")
    exec(sys.argv[5], {"x": store.load(again)["x"]})
"""


def _deep(kind: str, depth: int) -> tuple[str, str, str, str]:
    """How to build `depth` nested containers with `[7]` inmost, how to check it, how to change it, and the check again."""
    wrap, step = {
        "list": ("[x]", "x = x[0]"),
        "tuple": ("(x,)", "x = x[0]"),
        "dict": ("{'k': x}", "x = x['k']"),
        "list and tuple": ("[(x, 1)]", "x = x[0][0]"),
        "list in an attribute": ("[N(x)]", "x = x[0].x"),
        "instance": ("N(x)", "x = x.x"),
        "instance with slots": ("S(x)", "x = x.x"),
        "subclass of list": ("L([x])", "x = x[0]"),
        "closure": ("close(x)", "x = x()"),
        "partial": ("partial(list, x)", "x = x.args[0]"),
        "frozenset": ("frozenset([x])", "x, = x"),
        "array of objects": ("box(x)", "x = x[0]"),
    }[kind]
    first = "(7,)" if kind == "frozenset" else "[7]"
    make = f"""
from functools import partial
class N:
    def __init__(self, x): self.x = x
class S:
    __slots__ = ('x',)
    def __init__(self, x): self.x = x
class L(list): pass
def close(x): return lambda: x
def box(x):
    import numpy as np
    a = np.empty(1, object); a[0] = x
    return a
x = inmost = {first}
for _ in range({depth}): x = {wrap}
"""
    check = f"""
for _ in range({depth}): {step}
assert x == {first}, x
assert loaded['inmost'] is x
"""
    if kind == "frozenset":
        return make, check, "y = [1]", f"for _ in range({depth}): {step}\nassert x == (7,)"
    return make, check, "inmost.append(8)", f"for _ in range({depth}): {step}\nassert x == [7, 8]"


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "list and tuple", "instance", "subclass of list"])
def test_a_hundred_thousand_deep(kind: str, tmp_path: Path) -> None:
    done = run_python(_RUN, tmp_path / "store", *_deep(kind, 100_000))
    assert done.stdout.startswith("save ")


@pytest.mark.parametrize(
    "kind",
    ["list in an attribute", "instance with slots", "closure", "partial", "frozenset"],
)
def test_ten_thousand_deep(kind: str, tmp_path: Path) -> None:
    done = run_python(_RUN, tmp_path / "store", *_deep(kind, 10_000))
    assert done.stdout.startswith("save ")


def test_arrays_of_objects_as_deep_as_numpy_can_free_them(tmp_path: Path) -> None:
    done = run_python(_RUN, tmp_path / "store", *_deep("array of objects", 1_000))
    assert done.stdout.startswith("save ")


_LINKED = (
    "class N:\n __slots__ = ('value', 'next')\nx = None\nfor i in range({n}):\n n = N(); n.value = i; n.next = x; x = n\ndel n",
    "n = 0\nwhile x is not None: n += 1; x = x.next\nassert n == {n}, n",
    "x.value = 'changed'",
    "assert x.value == 'changed' and x.next.next.value == {n} - 3",
)
_WIDE = (
    "x = {{i: str(i) for i in range({n})}}",
    "assert len(x) == {n} and list(x)[-1] == {n} - 1 and x[{n} // 2] == str({n} // 2)",
    "x[5] = 'changed'",
    "assert x[5] == 'changed' and x[6] == '6' and list(x)[:7] == list(range(7))",
)
_WIDE_OBJECTS = (
    "x = {{str(i): [i] for i in range({n})}}; y = x['7']",
    "assert len(x) == {n} and x['7'] is loaded['y'] and x[str({n} - 1)] == [{n} - 1]",
    "y.append(1)",
    "assert x['7'] == [7, 1] and x['8'] == [8]",
)
_CYCLE = (
    "class N: pass\nx = N(); n = x\nfor i in range({n}):\n m = N(); m.up = n; n.down = m; n = m\nn.down = x; x.up = n; del n, m",
    "n, c = x, 0\nwhile True:\n assert n.down.up is n\n n = n.down; c += 1\n if n is x: break\nassert c == {n} + 1",
    "x.down.note = 1",
    "assert x.down.note == 1",
)


@pytest.mark.parametrize(
    ("shape", "size"), [(_LINKED, 200_000), (_WIDE, 200_000), (_WIDE_OBJECTS, 50_000), (_CYCLE, 50_000)]
)
def test_long_and_wide(shape: tuple[str, ...], size: int, tmp_path: Path) -> None:
    done = run_python(_RUN, tmp_path / "store", *[source.format(n=size) for source in shape])
    assert done.stdout.startswith("save ")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("shape", "size"),
    [(_LINKED, 5_000_000), (_WIDE, 2_000_000), (_WIDE_OBJECTS, 2_000_000), (_CYCLE, 500_000)],
)
def test_millions(shape: tuple[str, ...], size: int, tmp_path: Path) -> None:
    done = run_python(_RUN, tmp_path / "store", *[source.format(n=size) for source in shape], timeout_s=800)
    assert done.stdout.startswith("save ")


def test_one_element_of_a_wide_dict_writes_little(tmp_path: Path) -> None:
    done = run_python(_RUN, tmp_path / "store", *[source.format(n=200_000) for source in _WIDE])
    assert int(done.stdout.split("again ")[1].split()[0]) < 200_000
