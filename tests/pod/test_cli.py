"""The command line: what it prints."""

from __future__ import annotations

import json
import re
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

import pod
from pod.cli import app
from pod.log import Log
from pod.trust import Key
from tests.pod.command import Cli, Outcome, cli

__all__ = ["cli"]

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]
OTHER_KEY = Key(b"the key of somebody else: 32 b. ")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of three versions."""
    path = tmp_path / "store"
    with pod.open(path) as opened:
        numbers = list(range(1000))
        opened.save({"numbers": numbers, "text": "hello", "big": b"x" * 200_000}, message="the first")
        opened.save({"numbers": [*numbers, 1], "text": "hello"})
        opened.save(
            {"numbers": numbers, "text": "hello", "new": 1.5, "lost": (i for i in "x")}, message="third"
        )
        opened.tag("best", 1)
    return path


# --- help ------------------------------------------------------------------------------------------------


def test_the_commands_are_those_of_the_plan() -> None:
    assert " ".join(COMMANDS) == "diff export gc import init log show stats tag trust verify"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(cli: Cli, command: str) -> None:
    shown = cli(command, "--help")
    text = " ".join(shown.out.split())
    assert (shown.status, shown.err) == (0, "")
    assert re.search(rf"Example: pod {command} \S", text) or f"Example: pod {command}" in text
    assert f"Usage: pod {command}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    parameters = get_command(app).commands[command].params  # type: ignore[attr-defined]
    options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
    assert [option.name for option in options if not option.help] == []
    assert "as_json" in {option.name for option in options}


def test_the_version_of_the_program_is_printed(cli: Cli) -> None:
    assert cli("--version").out == f"pod {version('pond-pod-bench')}\n"


def test_without_a_command_it_prints_its_help(cli: Cli) -> None:
    shown = cli()
    assert "Usage: pod" in shown.out + shown.err


# --- what is printed -------------------------------------------------------------------------------------


def test_init_makes_a_store_once(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store"
    assert cli("init", path) == Outcome(0, f"{path}: an empty store\n", "")
    assert cli("init", path) == Outcome(0, f"{path}: is a store already\n", "")
    assert json.loads(cli("init", path, "--json").out) == {"path": str(path), "made": False}
    assert cli("log", path).err == "no versions; make one in Python: pod.save(namespace)\n"


def test_the_store_is_that_of_the_environment(
    cli: Cli, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_DIR", str(store))
    assert len(json.loads(cli("log", "--json").out)) == 3
    monkeypatch.delenv("POD_DIR")
    monkeypatch.chdir(tmp_path)
    assert cli("init").out.endswith("an empty store\n")
    assert (tmp_path / ".pod").is_dir()
    assert json.loads(cli("log", "--json").out) == []


def test_log_is_newest_first(cli: Cli, store: Path) -> None:
    shown = cli("log", store)
    assert (shown.status, shown.err) == (0, "")
    header, *lines = [line.split() for line in shown.out.splitlines()]
    assert " ".join(header) == "version saved names written parent tags, branches message"
    assert [line[0] for line in lines] == ["3", "2", "1"]
    assert lines[0][-1] == "third"
    assert " ".join(lines[2][-3:]) == "best the first"
    for line in lines:
        datetime.fromisoformat(" ".join(line[1:3]))


def test_nothing_is_cut_off(cli: Cli, tmp_path: Path) -> None:
    name, message = "n" * 150, "a message of\n" + "m" * 200
    with pod.open(tmp_path / "store") as opened:
        opened.save({name: [1], "short": 2}, message=message)
    assert cli("log", tmp_path / "store").out.endswith(f"a message of {'m' * 200}\n")
    rows = cli("show", 1, "-s", tmp_path / "store").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["name", name, "short"]


def test_log_as_json(cli: Cli, store: Path) -> None:
    newest, _, first = json.loads(cli("log", store, "--json").out)
    assert (newest["tid"], newest["message"], newest["names"]) == (3, "third", 3)
    assert [lost["name"] for lost in newest["unsaved"]] == ["lost"]
    assert (first["tid"], first["tags"]) == (1, ["best"])


def test_show_tells_what_a_version_holds(cli: Cli, store: Path) -> None:
    shown = cli("show", "best", "--store", store)
    headline, _, *rows = shown.out.splitlines()
    assert headline.startswith("version 1, saved ")
    assert headline.endswith(" written, parent -, best, the first")
    assert [row.split()[0] for row in rows] == ["big", "numbers", "text"]
    assert re.fullmatch(r"big +\d+\.\d KiB", rows[0])


def test_show_names_what_could_not_be_saved(cli: Cli, store: Path) -> None:
    last = cli("show", 3, "-s", store).out.splitlines()[-1]
    assert re.fullmatch(r"not saved: lost \(.*generator.*\): .+", last)
    found = json.loads(cli("show", 3, "-s", store, "--json").out)
    assert sorted(found["variables"]) == ["new", "numbers", "text"]


def test_diff_names_what_differs(cli: Cli, store: Path) -> None:
    shown = cli("diff", 1, 3, "-s", store)
    assert (shown.status, shown.err) == (0, "")
    rows = [line.split()[:2] for line in shown.out.splitlines()[1:]]
    assert rows == [["+", "new"], ["-", "big"]]
    assert [line.split()[:2] for line in cli("diff", 1, 2, "-s", store).out.splitlines()[1:]] == [
        ["-", "big"],
        ["~", "numbers"],
    ]
    assert cli("diff", 1, 1, "-s", store) == Outcome(0, "", "")


def test_diff_as_json(cli: Cli, store: Path) -> None:
    found = json.loads(cli("diff", 1, "best", "-s", store, "--json").out)
    assert found == {"a": 1, "b": 1, "added": [], "removed": [], "changed": []}


def test_verify_finds_a_whole_store_whole(cli: Cli, store: Path) -> None:
    assert cli("verify", store) == Outcome(0, f"{store}: 3 versions, every byte as it was written\n", "")
    assert json.loads(cli("verify", store, "--json").out) == {"damage": []}


def test_verify_names_damage(cli: Cli, store: Path) -> None:
    log = store / "00000001.pods"
    data = bytearray(log.read_bytes())
    place = data.index(b"x" * 1000) + 500
    data[place] ^= 1
    log.write_bytes(data)
    shown = cli("verify", store)
    assert shown.status == 1
    assert re.fullmatch(rf"{log}: byte \d+: a piece does not match its digest\n", shown.out)
    assert shown.err == f"pod: {store}: damaged in 1 places\n"
    found = json.loads(cli("verify", store, "--json").out)
    assert len(found["damage"][0]["digest"]) == 64


def test_gc_keeps_the_newest_and_the_tagged(cli: Cli, store: Path) -> None:
    assert re.fullmatch(r"deleted 0 versions and \d+ pieces: .* are free\n", cli("gc", store).out)
    shown = cli("gc", store, "--keep", 1)
    assert re.fullmatch(r"deleted 1 versions and \d+ pieces: .* are free\n", shown.out)
    assert [found["tid"] for found in json.loads(cli("log", store, "--json").out)] == [3, 1]
    found = json.loads(cli("gc", store, "--keep", 1, "--json").out)
    assert (found["versions"], found["pieces"]) == (0, 0)
    assert cli("verify", store).status == 0


def test_tags_are_made_listed_and_deleted(cli: Cli, store: Path) -> None:
    assert cli("tag", "latest", "-s", store).out == "latest: version 3\n"
    assert cli("tag", "second", "2", "-s", store).out == "second: version 2\n"
    assert cli("tag", "-s", store).out == "best\t1\nlatest\t3\nsecond\t2\n"
    assert cli("tag", "best", "--delete", "-s", store).out == "best: deleted\n"
    assert json.loads(cli("tag", "-s", store, "--json").out) == {"latest": 3, "second": 2}


def test_a_version_travels_as_one_file(cli: Cli, store: Path, tmp_path: Path) -> None:
    target, other = tmp_path / "best.pod", tmp_path / "other"
    shown = cli("export", "best", target, "-s", store)
    assert re.fullmatch(rf"{target}: \d+\.\d KiB\n", shown.out)
    assert json.loads(cli("export", "best", target, "-f", "-s", store, "--json").out) == {
        "path": str(target),
        "bytes": target.stat().st_size,
    }
    assert re.fullmatch(r"version 1: \d+\.\d KiB written\n", cli("import", target, "-s", other).out)
    with pod.open(store) as here, pod.open(other) as there:
        assert dict(there.load(1)) == dict(here.load(1))
    assert json.loads(cli("import", target, "-s", other, "--json").out)["tid"] == 2


def test_stats_tell_how_much_there_is(cli: Cli, store: Path) -> None:
    assert "versions: 3\n" in cli("stats", store).out
    found = json.loads(cli("stats", store, "--json").out)
    assert found["versions"] == 3
    assert found["log_bytes"] == (store / "00000001.pods").stat().st_size


def test_another_users_store_is_trusted_once(cli: Cli, store: Path) -> None:
    with Log.open(store) as log:
        assert log.head() == 3
    from pod.log import trust

    trust(store, key=OTHER_KEY)
    refused = cli("log", store)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.endswith(f"If you trust whoever wrote it, run: pod trust {store}\n")
    assert cli("trust", store).out == f"{store}: 3 versions verified and signed with your key\n"
    assert cli("trust", store).out == f"{store}: 3 versions, yours already\n"
    assert json.loads(cli("trust", store, "--json").out) == {"versions": 3, "signed": False}
    assert cli("log", store).status == 0


def test_every_error_has_a_code() -> None:
    assert pod.PodError.code == "pod"


def test_long_work_tells_how_far_it_is(cli: Cli, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pod.cli._LINE_EVERY_S", 0.0)
    shown = cli("verify", store)
    assert re.fullmatch(r"(verifying: [\d.]+ \w+ of [\d.]+ \w+\n)+", shown.err)
    assert shown.out == f"{store}: 3 versions, every byte as it was written\n"


@pytest.fixture(autouse=True)
def _no_store_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("POD_DIR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
