"""The sessions of the suite. Each is a function that runs one on a bench; sizes are those of the bounds times the scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.podmicro._bench import Bench

__all__ = ["WORKLOADS", "Workload"]

ALL: Final = ("pickle", "dill", "pod", "pod-python")
OURS: Final = ("pod", "pod-python")


@dataclass(frozen=True, slots=True)
class Workload:
    """One session, the systems that it runs on, and what it is in words."""

    name: str
    about: str
    run: Callable[[Bench], None]
    systems: tuple[str, ...] = ALL


def _lists(bench: Bench) -> None:
    items = bench.scaled(10_000)
    bench.session(
        f"import random\nrng = random.Random(42)\n"
        f"for k in range(100): globals()[f'l{{k}}'] = [rng.randbytes(100) for _ in range({items})]\n"
        "del rng, random, k"
    )
    first = bench.save("first save")
    bench.load("full load", first)
    bench.load("partial load of 1 of 100 lists", first, ["l50"])
    bench.session("l7[:] = [x[::-1] for x in l7]")
    bench.save("1 of 100 lists rewritten", unit="l7")
    bench.session(
        "for k in range(100): globals()[f'l{k}'][:] = [x[1:] + x[:1] for x in globals()[f'l{k}']]\ndel k"
    )
    bench.save("everything mutated")


def _instances(bench: Bench) -> None:
    bench.session(
        "class Item:\n"
        "    def __init__(self, number, name):\n"
        "        self.number = number\n"
        "        self.name = name\n"
        f"items = [Item(i, f'item {{i}}') for i in range({bench.scaled(1_000_000)})]"
    )
    first = bench.save("first save")
    bench.load("full load", first)


def _graph(bench: Bench) -> None:
    bench.session(
        "import random\n"
        "class Node:\n"
        "    def __init__(self, parent, value):\n"
        "        self.parent = parent\n"
        "        self.children = []\n"
        "        self.value = value\n"
        "rng = random.Random(42)\n"
        "nodes = [Node(None, 'root')]\n"
        f"for i in range(1, {bench.scaled(300_000)}):\n"
        "    parent = nodes[rng.randrange(len(nodes))]\n"
        "    node = Node(parent, f'node {i}')\n"
        "    parent.children.append(node)\n"
        "    nodes.append(node)\n"
        "root = nodes[0]\n"
        "del rng, random, i, parent, node"
    )
    first = bench.save("first save")
    bench.load("full load", first)


def _arrays(bench: Bench) -> None:
    floats = bench.scaled(12_500_000)
    bench.session(
        "import numpy as np\n"
        f"for k in range(10): globals()[f'a{{k}}'] = np.random.default_rng(k).random({floats})\n"
        "del k, np"
    )
    first = bench.save("first save", memory_of=10 * 8 * floats)
    bench.load("full load", first)


def _names(bench: Bench) -> None:
    bench.session("for k in range(1000): globals()[f'n{k}'] = [k, str(k), {'k': k}]\ndel k")
    bench.save(None)
    bench.save("nothing touched, 1,000 names", repeats=9)


def _element(bench: Bench) -> None:
    bench.session(
        f"import numpy as np\na = np.random.default_rng(42).random({bench.scaled(10_000_000)})\ndel np"
    )
    bench.save(None)
    bench.session("a[len(a) // 3] = -1.0")
    bench.save("1 element of an 80 MB array")


def _cell(bench: Bench) -> None:
    rows = bench.scaled(666_000)
    bench.session(
        "import numpy as np, pandas as pd\n"
        "rng = np.random.default_rng(42)\n"
        f"df = pd.DataFrame({{'i': rng.integers(0, 10**9, {rows}), 'f': rng.random({rows}), "
        f"'s': [f'row {{i}}' for i in range({rows})]}})\n"
        "del rng, np, pd"
    )
    bench.save(None)
    for column, value in (("i", "-1"), ("f", "-0.5"), ("s", "'changed'")):
        kind = {"i": "int", "f": "float", "s": "str"}[column]
        bench.session(f"df.loc[len(df) // 3, '{column}'] = {value}")
        bench.save(f"1 cell ({kind}) of a 16 MB frame")


def _head(bench: Bench) -> None:
    for name, item in (("of strings", "f'item {i:096d}'"), ("of ints", "i * 7919")):
        bench.session(f"l = [{item} for i in range({bench.scaled(100_000)})]")
        bench.save(None)
        bench.session("l.insert(0, l[0])")
        bench.save(f"insertion at the head of a list {name}", unit="l")


def _background(bench: Bench) -> None:
    floats = bench.scaled(12_500_000)
    bench.session(
        "import numpy as np\n"
        f"for k in range(20): globals()[f'a{{k}}'] = np.full({floats}, float(k))\n"
        f"l = [[i] for i in range({bench.scaled(100_000)})]\n"
        "del k, np"
    )
    bench.save_async(
        "save_async returns, 2 GB resident",
        "for k in range(20): globals()[f'a{k}'][:] = -1\nl.clear(); del k",
    )


def _history(bench: Bench) -> None:
    bench.session("for k in range(100): globals()[f'n{k}'] = [k, str(k)]\ndel k")
    bench.history(bench.scaled(1000))


WORKLOADS: Final[Mapping[str, Workload]] = {
    workload.name: workload
    for workload in (
        Workload("lists", "100 lists x 10,000 x 100 B", _lists),
        Workload("instances", "1,000,000 small instances of a user's class", _instances),
        Workload("graph", "random graph of 300,000 nodes with parent links", _graph),
        Workload("arrays", "1 GB of arrays", _arrays),
        Workload("names", "1,000 names", _names),
        Workload("element", "an array of 80 MB", _element),
        Workload("cell", "a DataFrame of 16 MB", _cell),
        Workload("head", "a list of 100,000", _head),
        Workload("background", "2 GB resident", _background, OURS),
        Workload("history", "1,000 saves", _history, OURS),
    )
}
