"""What the extension does after each cell, and that it never breaks one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pod
from tests.pod.magics.shells import ShellNotebook
from tests.pod.notebook import child_environment

LINE = re.compile(r"pod: version (\d+), (\d+) of (\d+) variables, [\d.]+ (B|KiB|MiB), [\d.]+ (ms|s)\n")


def test_importing_pod_does_not_import_ipython() -> None:
    source = "import sys, pod; print('IPython' in sys.modules, 'pod.magics' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, env=child_environment()
    )
    assert done.stdout == "False False\n"


def test_each_cell_makes_a_version_and_one_quiet_line(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]; b = 2")
    first = LINE.fullmatch(notebook.said)
    notebook.cell("a.append(2)")
    second = LINE.fullmatch(notebook.said)
    assert first is not None
    assert second is not None
    assert (first[1], first[2], first[3], second[1], second[2]) == ("1", "2", "2", "2", "1")
    assert notebook.shown == ""


def test_a_version_has_the_source_of_its_cell(notebook: ShellNotebook) -> None:
    sources = ["a = [1]\nb = 2", "%time a.append(3)", "1/0"]
    notebook.cell(*sources)
    assert [(v.source, v.failed) for v in notebook.store.log()[::-1]] == [
        (sources[0], False),
        (sources[1], False),
        (sources[2], True),
    ]


def test_what_is_saved_otherwise_has_no_source(notebook: ShellNotebook) -> None:
    tid = notebook.store.save({"a": 1}, "by hand")
    found = notebook.store.version(int(tid))
    assert (found.source, found.failed, found.message) == (None, False, "by hand")


def test_a_cell_that_fails_is_saved_as_far_as_it_came(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]", "a.append(2); 1/0; a.append(3)")
    assert notebook.failed
    assert notebook.store.load(notebook.tid)["a"] == [1, 2]


def test_what_cannot_be_saved_is_named_with_the_reason_once(notebook: ShellNotebook) -> None:
    notebook.cell("a = 1; g = (x for x in [1])")
    first = notebook.said.splitlines()
    notebook.cell("a = 2")
    second = notebook.said.splitlines()
    assert first[1].startswith("pod: not saved: g (generator): ")
    assert second[0].endswith(", not saved: g")
    assert (len(first), len(second)) == (2, 1)


def test_an_error_of_the_store_is_one_line_and_the_next_save_has_it_all(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]")
    log = notebook.store._log
    begin, lines = log.begin, []

    def failing(*_: object) -> object:
        raise pod.StoreFull("the disk is full")

    log.begin = failing  # type: ignore[method-assign]
    notebook.cell("a.append(2)")
    lines.append(notebook.said)
    assert not notebook.failed
    log.begin = begin  # type: ignore[method-assign]
    notebook.cell("b = 1")
    found = notebook.store.version(notebook.tid)
    assert lines == ["pod: not saved: the disk is full; the next cell's save has it all\n"]
    assert (found.tid, found.source) == (2, "a.append(2)\n\nb = 1")
    assert notebook.store.load(2)["a"] == [1, 2]


def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").write_text("something else")
    with ShellNotebook(tmp_path / "store") as notebook:
        notebook.cell(f"%pod open {tmp_path / 'full'}")
        said = notebook.said
        notebook.cell("a = 1")
        assert said.startswith("pod: ")
        assert said.count("\n") == 1
        assert notebook.tid == 1


def test_a_store_that_is_gone_breaks_no_cell(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]")
    shutil.rmtree(notebook.folder)
    notebook.cell("a.append(2)")
    assert not notebook.failed
    assert notebook.said.startswith("pod: ")
    assert notebook.space["a"] == [1, 2]


def test_cells_are_saved_after_one_that_was_interrupted_within_ipython(
    notebook: ShellNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **named: object) -> None:
        raise KeyboardInterrupt

    notebook.run("a = [1]")
    with monkeypatch.context() as patch:
        patch.setattr(notebook.shell.compile, "ast_parse", interrupt)
        notebook.cell("a.append(2)")
        assert notebook.failed
        notebook.remember()
    notebook.run("a.append(3)", "b = a")
    assert notebook.space["a"] == [1, 3]
    notebook.check()


def test_a_cell_within_a_cell_that_was_interrupted_within_ipython_is_not_saved_by_itself(
    notebook: ShellNotebook,
) -> None:
    notebook.cell(
        "a = [1]\nshell = get_ipython(); parse = shell.compile.ast_parse\n"
        "def interrupt(*_, **named): raise KeyboardInterrupt"
    )
    before = notebook.tid
    notebook.cell(
        "shell.compile.ast_parse = interrupt\nshell.run_cell('b = 2')\nshell.compile.ast_parse = parse\na.append(2)"
    )
    notebook.remember()
    assert notebook.tid == before + 1
    assert notebook.space["a"] == [1, 2]
    notebook.run("a.append(3)")
    notebook.check()


def test_an_interrupted_save_leaves_the_namespace_and_the_store_well(notebook: ShellNotebook) -> None:
    notebook.run("a = [1]")
    notebook.cell(
        "class Slow:\n    interrupt = True\n    def __reduce_ex__(self, protocol):\n"
        "        if Slow.interrupt: raise KeyboardInterrupt\n        return Slow, ()",
        "a.append(2); s = Slow()",
    )
    said = notebook.said
    assert notebook.space["a"] == [1, 2]
    notebook.run("Slow.interrupt = False", "a.append(3)")
    notebook.check(whole=False)
    assert said == "pod: not saved: interrupted; the next cell's save has it all\n"
    assert notebook.store.verify() == []


@pytest.mark.parametrize("nested", [False, True])
def test_a_cell_interrupted_in_its_event_loop_is_saved_and_so_are_the_next(
    notebook: ShellNotebook, *, nested: bool
) -> None:
    notebook.cell("import asyncio\ndef stop(): raise KeyboardInterrupt\na, done = [], asyncio.Event()")
    awaiting = "a.append(1); asyncio.get_running_loop().call_soon(stop); await done.wait()"
    before = notebook.tid
    notebook.cell(f"get_ipython().run_cell({awaiting!r}); a.append(2)" if nested else awaiting)
    assert notebook.tid == before + 1
    assert notebook.store.load(notebook.tid)["a"] == ([1, 2] if nested else [1])
    notebook.cell("b = 1", "done.set(); await asyncio.sleep(0); c = 2")
    assert notebook.tid == before + 3
    assert notebook.store.load(notebook.tid)["c"] == 2


def test_blank_cells_and_its_own_commands_make_no_version(notebook: ShellNotebook) -> None:
    notebook.cell("a = 1", "", "   ", "%pod log", "%pod status\n%pod diff 1")
    assert notebook.tid == 1


def test_a_nested_cell_is_saved_with_its_outer_one(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]", "%%capture\na.append(2)", "get_ipython().run_cell('a.append(3)')")
    assert notebook.tid == 3
    assert notebook.store.load(3)["a"] == [1, 2, 3]


def test_a_silent_execution_is_seen_at_the_next_cell(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]", "b = 1")
    notebook.shell.run_cell("a.append(2)", silent=True)
    notebook.cell("b = 2")
    assert notebook.store.load(notebook.tid)["a"] == [1, 2]


def test_loading_twice_saves_once_and_unloading_stops(notebook: ShellNotebook) -> None:
    notebook.cell("%load_ext pod", "a = 1")
    loaded = notebook.tid
    store = notebook.store
    notebook.cell("%unload_ext pod", "a = 2")
    with pod.open(notebook.folder, create=False) as again:
        assert (loaded, again.log()[0].tid) == (1, 1)
    with pytest.raises(pod.StoreClosed):
        store.log()


def test_loading_again_goes_on_with_the_store_that_was_open(
    notebook: ShellNotebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_DIR", str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path)
    notebook.cell("%pod open there", "a = 1", "import os; os.chdir('/')", "%reload_ext pod", "b = 2")
    assert notebook.store.path == tmp_path / "there"
    assert notebook.store.load(notebook.tid, ["a", "b"]) == {"a": 1, "b": 2}
    assert not (tmp_path / "here").exists()


def test_unloading_takes_the_completion_of_commands_away(notebook: ShellNotebook) -> None:
    hooks = notebook.shell.strdispatchers["complete_command"]
    loaded = len(list(hooks.flat_matches("%pod")))
    notebook.cell("%reload_ext pod")
    again = len(list(hooks.flat_matches("%pod")))
    notebook.cell("%unload_ext pod")
    assert (loaded, again, len(list(hooks.flat_matches("%pod")))) == (1, 1, 0)


def test_the_default_store_is_made_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_DIR", str(tmp_path / "here"))
    with ShellNotebook(tmp_path / "store", default=True) as notebook:
        before = (tmp_path / "here").exists()
        notebook.cell("a = 1")
        assert (before, notebook.store.path) == (False, tmp_path / "here")


def _written(notebook: ShellNotebook, cell: str) -> int:
    notebook.cell(cell)
    return notebook.store.version(notebook.tid).bytes_written


LISTS = "import random\nfor i in range(100): globals()[f'l{i}'] = [f'{i * 10000 + j:0100d}' for j in range(10000)]"


def test_a_cell_that_touches_one_of_many_lists_costs_that_list(notebook: ShellNotebook) -> None:
    first = _written(notebook, LISTS)
    second = _written(notebook, "l7.append('x')")
    third = _written(notebook, "l8[5000] = 'x'")
    assert first > 100_000_000
    assert (second <= 0.05 * first, third <= 0.05 * first) == (True, True)
    assert notebook.looked_at() == 1


def test_only_what_a_cell_names_is_looked_at(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]; b = [2]; c = [3]\ndef f(): b.append(1)\ndef g(): f()", "a")
    found = []
    for cell in ("a.append(1)", "f()", "g()", "x = 1", "x = 2", "!true", "%%time\na.append(1)", "_"):
        notebook.cell(cell)
        found.append(notebook.looked_at())
    assert found == [1, 2, 3, 1, 1, 1, 1, 7]  # `!` binds `_exit_code`


@pytest.mark.parametrize(
    "shown",
    [
        "a",
        "a[0]",
        "[a]",
        "(a, [b])",
        "k",
        "k.held",
        "{'k': a}",
        "df",
        "df['x']",
        "df.head()",
        "df.describe()",
        "df[df.x > 1]",
        "df.columns",
        "df.groupby('x').y.sum()",
        "array[2:]",
    ],
)
def test_what_was_shown_is_not_looked_at_for_ever(notebook: ShellNotebook, shown: str) -> None:
    notebook.cell(
        "import numpy as np, pandas as pd\na = [[1], [2]]; b = [3]; array = np.arange(9)\n"
        "df = pd.DataFrame({'x': [1, 2], 'y': [3.5, 4.5]})\nclass K: pass\nk = K(); k.held = a",
        shown,
        "x = 1",
        "x = 2",
    )
    assert notebook.looked_at() == 1


def test_what_a_stranger_holds_is_looked_at_for_ever(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]")
    held = notebook.space["a"]
    notebook.cell("a", "x = 1")
    held.append(2)
    notebook.cell("x = 2")
    assert notebook.store.load(notebook.tid)["a"] == [1, 2]
