"""Every system: what was saved comes back, in this process and in another; what cannot be saved is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from harness.errors import NotInstalled, UsageError
from harness.oracle import differences, portray
from harness.systems.pod import VersionSystem, how_to_get, names, open_system, options_of, outlives_process
from tests.harness.systems.pod.sessions import (
    CELLS,
    DATA_CELLS,
    EXCLUDED,
    Elsewhere,
    distinct,
    names_of,
    play,
)

SAVES_NOTHING = {"noop", "pgnoop"}
OF_ANOTHER_KIND = {"exhaust", "criu", "crii", "kishu"}  # with tests of their own
BY_NAME = {"snpc", "shev", "zosp", "zodb"}  # functions and classes
COMMON = [name for name in names() if name not in SAVES_NOTHING | OF_ANOTHER_KIND]
DISTINCT = distinct(COMMON)
PICKLERS = ["snp", "snpc", "snz", "snx", "dill", "cpkl", "shev", "zosp", "zodb"]
LOADED_WHOLE = {"snp", "snz", "snx", "dill"}  # one pickle, taken up as a session's `__main__`
LASTING = [name for name in DISTINCT if outlives_process(name)]
MODULES = {"json", "math"}
SERVERS = {"ppg": pytest.mark.postgres, "prd": pytest.mark.redis}


Opener = Callable[[str, Path], VersionSystem]


def each(systems: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test for each of these systems; those that start a server are marked with what they start."""
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=SERVERS[name]) if name in SERVERS else name for name in systems]
    )


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Open a system; it is closed after the test."""
    with ExitStack() as closed:

        def open_one(name: str, folder: Path) -> VersionSystem:
            how = how_to_get(name)
            if how is not None:
                pytest.skip(f"{name} is not installed: {how}")
            return closed.enter_context(closing(open_system(name, folder)))

        yield open_one


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as process:
        yield process


@each(COMMON)
def test_each_version_comes_back_as_it_was(name: str, opened: Opener, tmp_path: Path) -> None:
    system = opened(name, tmp_path / "store")
    played = play(system, CELLS)
    assert len({saved.version for saved in played}) == len(CELLS)
    assert system.size() > 0
    for saved in reversed(played):
        loaded = system.load(saved.version)
        assert names_of(loaded) == saved.names
        for some in [[each] for each in saved.names] if name == "shev" else [saved.names]:
            got = portray(loaded, some, code=system.saves_code)
            assert differences(saved.portrait, got, frozenset(some)) == []


@each(DISTINCT)
def test_what_a_library_refuses_is_left_out_and_named(name: str, opened: Opener, tmp_path: Path) -> None:
    system = opened(name, tmp_path / "store")
    played = play(system, CELLS)
    refused = [set(saved.unsaved) for saved in played]
    by_name = MODULES if name in BY_NAME else set()
    nameless = {"triple"} if name in BY_NAME else set()
    code = by_name | nameless
    assert refused == [by_name, code | {"unfinished"}, code | {"unfinished"}, code | {"unfinished"}, code]
    assert "generator" in played[1].unsaved["unfinished"]


@pytest.mark.parametrize("name", PICKLERS)
def test_an_array_is_kept_where_something_else_is_refused(name: str, opened: Opener, tmp_path: Path) -> None:
    system = opened(name, tmp_path / "store")
    (saved,) = play(
        system, ["import numpy\narray = numpy.arange(100_000)\nunfinished = (n for n in array)"], ()
    )
    assert "array" not in saved.unsaved
    assert system.load(saved.version, ["array"])["array"].sum() == 100_000 * 99_999 // 2


@each(DISTINCT)
def test_some_variables_of_a_version(name: str, opened: Opener, tmp_path: Path) -> None:
    system = opened(name, tmp_path / "store")
    played = play(system, CELLS)
    loaded = system.load(played[2].version, ["a", "shared", "unfinished", EXCLUDED, "nowhere"])
    assert names_of(loaded) == (played[2].names if name in LOADED_WHOLE else {"a", "shared"})
    assert loaded["a"]["x"] == [1, 2, {"k": (1, 2)}, ["as read"]]
    assert (loaded["a"]["x"] is loaded["shared"]) is (name != "shev")
    assert names_of(system.load(played[1].version, [])) == (
        played[1].names if name in LOADED_WHOLE else set()
    )


@each(name for name in DISTINCT if name not in BY_NAME)
def test_a_function_that_is_asked_for_alone_finds_what_it_reads(
    name: str, opened: Opener, tmp_path: Path
) -> None:
    system = opened(name, tmp_path / "store")
    played = play(system, CELLS)
    loaded = system.load(played[1].version, ["scaled"])
    assert (
        differences(played[1].portrait, portray(loaded, ["scaled"], code=system.saves_code), ["scaled"]) == []
    )
    assert loaded["scaled"](2) == 6


@each(LASTING)
def test_another_process_loads_them(name: str, opened: Opener, tmp_path: Path, elsewhere: Elsewhere) -> None:
    system = opened(name, tmp_path / "store")
    played = play(system, DATA_CELLS, ())
    system.close()
    expected = [saved.portrait.digest() for saved in played]
    got = elsewhere.digests(name, tmp_path / "store", [saved.version for saved in played])
    if name == "shev":  # but for what variables share
        assert [digest == wanted for digest, wanted in zip(got, expected, strict=True)] == [False] * 3
    else:
        assert got == expected


@each(LASTING)
def test_versions_go_on_after_the_store_is_opened_again(name: str, opened: Opener, tmp_path: Path) -> None:
    first = opened(name, tmp_path / "store")
    before = play(first, DATA_CELLS, ())
    first.close()
    with closing(open_system(name, tmp_path / "store", existing=True)) as second:
        after = play(second, ["text = 'anew'"], ())
        assert after[0].version not in {saved.version for saved in before}
        assert second.load(after[0].version)["text"] == "anew"
        assert second.load(before[1].version, ["text"])["text"] == "x" * 99


@pytest.mark.parametrize(
    ("name", "said"), [("snpc", "Can't get attribute"), ("shev", "Can't get"), ("zodb", "")]
)
def test_code_that_is_kept_by_name_does_not_come_back_elsewhere(
    name: str, said: str, opened: Opener, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    cells = ("a = [1]", "def f(): return a")
    system = opened(name, tmp_path / "store")
    played = play(system, cells, ())
    system.close()
    data, code = elsewhere.digests(name, tmp_path / "store", [saved.version for saved in played])
    assert data == played[0].portrait.digest()
    assert code != played[1].portrait.digest()  # ZODB gives a class that stands for what is not there
    assert said in code


@pytest.mark.parametrize("name", sorted(SAVES_NOTHING))
def test_those_that_save_nothing_say_so(name: str, opened: Opener, tmp_path: Path) -> None:
    system = opened(name, tmp_path / "store")
    played = play(system, CELLS)
    assert [saved.names for saved in played] == [frozenset()] * len(CELLS)
    assert set(played[0].unsaved.values()) == {f"{name} saves nothing"}
    assert dict(system.load(played[0].version)) == {}


@each(DISTINCT)
def test_a_save_in_the_background_is_measured_and_others_are_not(
    name: str, opened: Opener, tmp_path: Path
) -> None:
    system = opened(name, tmp_path / "store")
    play(system, DATA_CELLS, ())
    times = system.take_times()
    saves = 0 if options_of(name)["mode"] == "sync" else len(DATA_CELLS)
    assert (len(times.join_s), len(times.background)) == (saves, saves)
    assert times.lock_s == []
    assert all(seconds > 0 and stored > 0 for seconds, stored in times.background)
    assert system.take_times().background == []


@pytest.mark.parametrize("name", sorted({*PICKLERS} - {"shev"}))  # which has Python choose a database then
def test_the_first_save_imports_nothing(name: str, tmp_path: Path) -> None:
    if how_to_get(name):
        pytest.skip(f"{name} is not installed: {how_to_get(name)}")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from harness.systems.pod import open_system\n"
        f"system = open_system({name!r}, Path('store'))\n"
        "before = set(sys.modules)\n"
        "system.save({'a': [1]})\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_folder_with_files_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"is not empty: snp makes a new store"):
        open_system("snp", tmp_path)


def test_a_system_whose_program_is_missing_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert how_to_get("snx") == "make peers PEERS=xdelta3"
    with pytest.raises(NotInstalled, match="snx is not installed: make peers PEERS=xdelta3"):
        open_system("snx", tmp_path / "store")


def test_to_exclude_a_variable_touches_none(opened: Opener, tmp_path: Path) -> None:
    system = opened("pgcache0", tmp_path / "store")  # which stores again whatever was touched
    namespace = system.namespace()
    source = "raw = []\nlarge = ['%06d' % n for n in range(100_000)]\nsmall = [1]"
    system.run(compile(source, "<cell>", "exec"), source, namespace)
    system.save(namespace, (EXCLUDED,))
    system.join()
    before = system.size()
    system.run(compile("small.append(2)", "<cell>", "exec"), "small.append(2)", namespace)
    version = system.save(namespace, (EXCLUDED,))
    system.join()
    assert system.size() - before < before / 20
    assert names_of(system.load(version)) == {"large", "small"}
