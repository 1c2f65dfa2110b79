"""The commands of `%pod`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.pod.log.servers import redis_server
from tests.pod.magics.shells import ShellNotebook


def test_log_tells_the_newest_versions_with_their_cells(notebook: ShellNotebook) -> None:
    notebook.cell("a = 1", "b = 2\nc = 3", "1/0", "%pod log -n 2")
    lines = notebook.shown.splitlines()
    assert [line.split()[0] for line in lines] == ["version", "3", "2"]
    assert (lines[1].endswith("failed: 1/0"), lines[2].endswith("b = 2 (+1 lines)")) == (True, True)


def test_log_shows_whole_cells(notebook: ShellNotebook) -> None:
    notebook.cell("b = 2\nc = 3", "%pod log -s")
    assert notebook.shown.splitlines()[1:] == ["    b = 2", "    c = 3"]


def test_diff_compares_with_the_newest_version(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]; b = [2]; c = 3", "a.append(1); d = 4; del b", "%pod diff 1")
    short = [line.split()[:2] for line in notebook.shown.splitlines()[1:]]
    notebook.cell("%pod diff 2 2")
    assert short == [["+", "d"], ["-", "b"], ["~", "a"]]
    assert notebook.shown == "versions 2 and 2 have the same variables\n"


def test_checkout_puts_a_version_in_the_place_of_the_variables(notebook: ShellNotebook) -> None:
    notebook.run("a = [1]; b = [a]; same = [0]", "a.append(2); c = 3")
    notebook.cell("%pod checkout 1")
    space = notebook.space
    assert (space["a"], space["b"], space["b"][0] is space["a"], "c" in space) == ([1], [[1]], True, False)
    assert notebook.shown.splitlines() == [
        "version 1 is checked out",
        "replaced: a, b",
        "removed: c",
        "equal, and objects of their own now: 1 variables",
        "to go back: %pod checkout 2",
    ]
    notebook.remember()
    notebook.cell("%pod checkout 2")
    notebook.remember()
    notebook.run("a.append(4)")
    notebook.check()
    assert [version.parent for version in notebook.store.log()] == [4, 2, 1, 1, None]


def test_checkout_binds_functions_to_the_notebook(notebook: ShellNotebook) -> None:
    notebook.run(
        "a = [1]\ndef f(x):\n    a.append(x)\n    return a\nclass K:\n    def m(self): return f(5)\n"
        "    def __hash__(self): return len(a)\n    def __eq__(self, o): return self is o\ns = {K()}",
        "del f, K, a, s",
    )
    notebook.cell("%pod checkout 1")
    notebook.remember()
    notebook.run("f(2)", "K().m()", "next(iter(s)).m()", "a = [9]; f(1)")
    assert notebook.space["f"].__globals__ is notebook.space
    assert notebook.space["a"] == [9, 1]
    notebook.check()


def test_checkout_of_some_names_leaves_the_others(notebook: ShellNotebook) -> None:
    notebook.run("a = [1]; b = [a]; c = 1", "a.append(2); c = 2; d = 3")
    notebook.cell("%pod checkout 1 a b")
    space = notebook.space
    assert (space["a"], space["b"][0] is space["a"], space["c"], space["d"]) == ([1], True, 2, 3)
    notebook.remember()
    notebook.run("a.append(5)")
    notebook.check()


def test_checkout_of_a_function_alone_brings_what_it_reads_if_that_is_missing(
    notebook: ShellNotebook,
) -> None:
    notebook.run("a = [1]\ndef f(): return a", "del a, f")
    notebook.cell("%pod checkout 1 f")
    notebook.remember()
    notebook.run("x = f()")
    assert notebook.space["x"] == [1]
    notebook.check()


def test_checkout_keeps_what_cannot_be_saved(notebook: ShellNotebook) -> None:
    notebook.cell("a = 1", "g = (x for x in [1])", "%pod checkout 1")
    assert "kept, for it cannot be saved: g" in notebook.shown.splitlines()
    assert list(notebook.space["g"]) == [1]


def test_checkout_saves_first_what_its_own_cell_did(notebook: ShellNotebook) -> None:
    notebook.run("a = [1]")
    notebook.cell("a.append(2)\n%pod checkout 1")
    assert notebook.shown.splitlines()[-1] == "to go back: %pod checkout 2"
    assert (notebook.store.load(2)["a"], notebook.space["a"]) == ([1, 2], [1])


@pytest.mark.parametrize("version", ["9", "nothing"])
def test_a_checkout_of_a_version_that_is_not_there_saves_nothing(
    notebook: ShellNotebook, version: str
) -> None:
    notebook.cell("a = 1", "%pod off", "b = 2", f"%pod checkout {version}")
    assert len(notebook.store.log()) == 1


def test_checkout_of_a_branch_moves_it_on(notebook: ShellNotebook) -> None:
    notebook.cell("a = 1")
    notebook.store.branch("main", 1)
    notebook.cell("a = 2", "%pod checkout main", "b = 1")
    assert notebook.store.branches() == {"main": notebook.tid}


def test_save_looks_at_everything_and_keeps_a_message(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]", 'a.append(2)\n%pod save -m "in between"\na.append(3)')
    log = notebook.store.log()
    assert [(v.tid, v.message) for v in log] == [(3, None), (2, "in between"), (1, None)]
    assert [notebook.store.load(tid)["a"] for tid in (2, 3)] == [[1, 2], [1, 2, 3]]


def test_off_and_on(notebook: ShellNotebook) -> None:
    notebook.cell("a = [1]; b = [2]", "%pod off", "a.append(2)", "b.append(3)")
    off = notebook.tid
    notebook.cell("%pod on", "c = 1")
    assert (off, notebook.tid) == (1, 2)
    assert notebook.store.load(2)["a"] == [1, 2]
    assert notebook.store.load(2)["b"] == [2, 3]


def test_status_tells_the_store_and_what_is_not_saved(notebook: ShellNotebook) -> None:
    notebook.cell("a = 1; g = (x for x in [1])", "%pod status")
    lines = notebook.shown.splitlines()
    assert lines[0].startswith(f"store: {notebook.folder}, ")
    assert lines[1] == "after each cell: saved"
    assert lines[2].startswith("last version: 1, ")
    assert lines[3] == "variables now: 2"
    assert lines[4].startswith("not saved: g (generator): ")


def test_open_saves_to_another_store(notebook: ShellNotebook, tmp_path: Path) -> None:
    notebook.cell("a = 1", f"%pod open {tmp_path / 'other'}", "b = 2")
    assert notebook.store.path == tmp_path / "other"
    assert sorted(notebook.store.load(1)) == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("frob", "there is no %pod frob; there are: log, diff, checkout, save, status, off, on, open"),
        ("log -n x", "%pod log [-n N] [-s], with a number N; not -n"),
        ("diff", "%pod diff A [B], with one or two versions"),
        ("checkout", "%pod checkout VERSION [NAMES...]"),
        ("save now", '%pod save [-m MESSAGE], the message in quotes: %pod save -m "two words"'),
        ("off now", "%pod off takes nothing more"),
        ("open", "%pod open PATH, with one folder or URL"),
        ("save -m 'x", "No closing quotation"),
    ],
)
def test_a_mistake_is_one_line(notebook: ShellNotebook, line: str, said: str) -> None:
    notebook.cell("a = 1", f"%pod {line}")
    assert (notebook.said, notebook.shown, notebook.failed) == (f"pod: {said}\n", "", False)


def test_a_checkout_that_fails_changes_nothing(notebook: ShellNotebook) -> None:
    notebook.cell("a = 1", "b = 2")
    before = notebook.variables()
    notebook.cell("%pod checkout 9", "%pod checkout 1 b")
    assert notebook.said.startswith("pod: ")
    assert (notebook.variables(), notebook.tid) == (before, 2)


def test_the_commands_are_told_and_completed(notebook: ShellNotebook) -> None:
    doc = notebook.shell.magics_manager.magics["line"]["pod"].__doc__
    commands = notebook.extension.complete(None, SimpleNamespace(line="%pod di"))
    assert all(f"%pod {name}" in doc for name in commands)
    assert notebook.extension.complete(None, SimpleNamespace(line="%pod diff 1")) == []


@pytest.mark.redis
def test_no_command_shows_the_password_of_a_url(notebook: ShellNotebook) -> None:
    with redis_server() as server:
        shown = []
        for command in (f"%pod open {server.store()}", "%pod on", "%pod status"):
            notebook.cell(command)
            shown.append(notebook.shown + notebook.said)
        assert all("redis://127.0.0.1:" in text for text in shown)
        assert not any("s3cret" in text for text in shown)
