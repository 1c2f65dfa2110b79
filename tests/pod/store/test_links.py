"""What connects variables: in ours everything, in the published form not what it takes for immutable."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.oracle import differences, portray
from tests.pod.notebook import Notebook

# What is first, what changes it, an expression that shows the change, what the published form makes of it.
STALE = {
    "tuple": ("l = [1]; t = (l,)", "l.append(2)", "t", ([1],)),
    "tuple that owns it": ("t = [1]; a = (t,)", "t.append(2)", "a", ([1],)),
    "frozenset": ("class N: x = 0\nn = N(); s = frozenset([n])", "n.x = 1", "next(iter(s)).x", 0),
    "function's default": ("l = [1]\ndef f(x=l): return x", "l.append(2)", "f()", [1]),
    "closure": ("def make(x):\n return lambda: x\nl = [1]; f = make(l)", "l.append(2)", "f()", [1]),
    "class by an instance": ("class C:\n reg = []\nc = C()", "c.reg.append(1)", "C.reg", []),
    "frame in a dict": (
        "import pandas as pd\na = pd.DataFrame({'a': [1, 2]}); d = {'df': a}",
        "a['b'] = 2",
        "list(d['df'])",
        ["a"],
    ),
    "object in a frame": (
        "import pandas as pd\na = [1]; df = pd.DataFrame({'a': [a]})",
        "a.append(2)",
        "df['a'][0]",
        [1],
    ),
}
MODES = pytest.mark.parametrize("mode", ["sync", "thread-deferred"])


def _saved_twice(notebook: Notebook, first: str, second: str) -> int:
    notebook.cell(first)
    notebook.store.save_async(notebook.ns).result(60)
    notebook.cell(second)
    return notebook.remember(notebook.store.save_async(notebook.ns).result(60))


@MODES
@pytest.mark.parametrize("kind", STALE)
def test_b1_the_published_form_keeps_what_it_takes_for_immutable(
    kind: str, mode: str, tmp_path: Path
) -> None:
    first, second, shown, expected = STALE[kind]
    with Notebook(tmp_path / "store", fidelity="paper", mode=mode) as notebook:
        tid = _saved_twice(notebook, first, second)
        loaded = notebook.store.load(tid)
        assert eval(shown, loaded) == expected
        assert eval(shown, notebook.ns) != expected
        assert notebook.store.verify() == []


@MODES
@pytest.mark.parametrize("kind", STALE)
def test_b1_ours_does_not(kind: str, mode: str, tmp_path: Path) -> None:
    first, second, _shown, _expected = STALE[kind]
    with Notebook(tmp_path / "store", mode=mode) as notebook:
        _saved_twice(notebook, first, second)
        notebook.check()


@pytest.mark.parametrize("kind", STALE)
def test_b1_looking_at_everything_heals_it(kind: str, tmp_path: Path) -> None:
    first, second, _shown, _expected = STALE[kind]
    with Notebook(tmp_path / "store", fidelity="paper") as notebook:
        _saved_twice(notebook, first, second)
        tid = notebook.save(full=True)
        notebook.check([tid])
    with Notebook(tmp_path / "other", fidelity="paper", tracking="all") as notebook:
        tid = _saved_twice(notebook, first, second)
        notebook.check([tid])


def test_what_is_met_and_was_not_looked_for_is_written_twice(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", fidelity="paper") as notebook:
        notebook.run("l = [1]; t = (l,)")
        notebook.cell("t")
        loaded = notebook.store.load(notebook.store.save(notebook.ns))
        assert loaded["t"] == (loaded["l"],) == ([1],)
        assert loaded["t"][0] is not loaded["l"]


def test_b1_goes_on_for_as_long_as_nobody_touches_it(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", fidelity="paper") as notebook:
        notebook.run("l = [1]; t = (l,); d = {'l': l}")
        seen = []
        for number in range(2, 5):
            notebook.cell(f"l.append({number})")
            loaded = notebook.store.load(notebook.store.save(notebook.ns))
            seen.append((loaded["l"], loaded["d"]["l"], loaded["t"]))
            assert loaded["d"]["l"] is loaded["l"]
        assert seen == [
            ([1, 2], [1, 2], ([1],)),
            ([1, 2, 3],) * 2 + (([1],),),
            ([1, 2, 3, 4],) * 2 + (([1],),),
        ]
        notebook.cell("t; l")
        loaded = notebook.store.load(notebook.store.save(notebook.ns))
        assert loaded["t"] == ([1, 2, 3, 4],)
        notebook.cell("del l, d, t")
        assert notebook.store.load(notebook.store.save(notebook.ns)).keys() == set()


def test_b1_shows_after_a_load_and_after_a_restart(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", fidelity="paper") as notebook:
        (tid,) = notebook.run("l = [1]; t = (l,)")
        notebook.reopen()
        notebook.ns = notebook.store.load(tid)
        notebook.cell("l.append(2)")
        loaded = notebook.store.load(notebook.store.save(notebook.ns))
        assert (loaded["l"], loaded["t"]) == ([1, 2], ([1],))


def test_what_else_connects_does_so_in_the_published_form_too(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", fidelity="paper") as notebook:
        notebook.run(
            "a = [1]; b = [a]; c = {'b': b}",
            "a.append(2)",
            "c['b'].append(3)",
            "d = [c]; a.append(4)",
            "del b",
            "d[0]['b'][0].append(5)",
        )
        assert len(notebook.versions) == 6


def test_b3_deleting_a_name_is_no_switch_of_the_published_form(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", fidelity="paper") as notebook:
        notebook.run("a = [1]; b = [a]", "a.append(2); del a")
        assert len(notebook.versions) == 2


@pytest.mark.parametrize("tracking", ["names", "all"])
def test_all_names_count_as_touched_if_tracking_is_off(tracking: str, tmp_path: Path) -> None:
    """Through a weak reference a change is not seen by names."""
    with Notebook(tmp_path / "store", tracking=tracking) as notebook:
        notebook.cell("import weakref\nclass C: x = 0\nc = C(); r = weakref.ref(c)\ndel r")
        follow = __import__("weakref").ref(dict.__getitem__(notebook.ns, "c"))
        notebook.save()
        follow().x = 1
        tid = notebook.store.save(notebook.ns)
        assert notebook.store.load(tid)["c"].x == (1 if tracking == "all" else 0)
        assert differences(portray(notebook.ns, ["C"]), portray(notebook.store.load(tid, ["C"]))) == []
