"""The command line: what it prints."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from typer.main import get_command

from pond.cli import app
from pond.volume import Volume
from tests.pond.mounts import mounted
from tests.pond.outcome import Outcome
from tests.pond.trees import everyday_tree, write_tree

Cli = Callable[..., Outcome]

COMMANDS = sorted(get_command(app).commands)


# --- help --------------------------------------------------------------------------------------------


def test_the_commands_are_those_of_the_plan() -> None:
    expected = "cat clear-cache create diff log ls mount stats umount verify versions"
    assert " ".join(COMMANDS) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(cli: Cli, command: str) -> None:
    shown = cli(command, "--help")
    text = " ".join(shown.out.decode().split())
    assert (shown.status, shown.err) == (0, "")
    assert re.search(rf"Example: pond {command} \S", text)
    assert f"Usage: pond {command}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    options = [
        param
        for param in get_command(app).commands[command].params
        if param.param_type_name == "option" and not param.hidden
    ]
    assert [option.name for option in options if not option.help] == []


def test_the_version_of_the_program_is_printed(cli: Cli) -> None:
    from pond import __version__

    assert cli("--version").out.decode() == f"pond {__version__}\n"


def test_without_a_command_it_prints_its_help(cli: Cli) -> None:
    shown = cli()
    assert b"Usage: pond" in shown.out + shown.err.encode()


# --- what is printed ---------------------------------------------------------------------------------


def test_create_says_what_it_made(cli: Cli, tree: Path, tmp_path: Path) -> None:
    made = cli("create", tree, tmp_path / "volume", "v1", "-m", "first")
    assert (made.status, made.err) == (0, "")
    assert made.out == b"v1: 10 files, 4.2 MiB\n"
    again = json.loads(cli("create", tree, tmp_path / "volume", "v2", "--json").out)
    assert (again["version"], again["parent"], again["files"]) == ("v2", "v1", 10)


def test_create_names_what_it_leaves_out(cli: Cli, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"x"})
    os.mkfifo(source / "pipe")
    made = cli("create", source, tmp_path / "volume", "v1")
    assert made.status == 0
    assert made.err == f"left out {source}/pipe: neither file, folder nor symbolic link\n"


def test_versions_are_listed_in_the_order_of_their_making(cli: Cli, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"x"})
    for name in ("v9", "v10", "a"):
        cli("create", source, tmp_path / "volume", name)
    assert cli("versions", tmp_path / "volume").out == b"v9\nv10\na\n"
    parsed = json.loads(cli("versions", tmp_path / "volume", "--json").out)
    assert [(info["version"], info["parent"]) for info in parsed] == [
        ("v9", None),
        ("v10", "v9"),
        ("a", "v10"),
    ]
    assert all(datetime.fromisoformat(info["time"]).tzinfo is not None for info in parsed)


def test_a_log_is_newest_first(cli: Cli, two: str) -> None:
    lines = cli("log", two).out.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["version", "v2", "v1"]
    assert lines[2].endswith("the first")
    assert [info["version"] for info in json.loads(cli("log", two, "--json").out)] == ["v2", "v1"]


def test_ls_lists_a_folder(cli: Cli, two: str) -> None:
    names = cli("ls", f"{two}@v1").out.splitlines()
    assert names == sorted(
        {
            path.split(b"/")[0] + (b"/" if b"/" in path or content is None else b"")
            for path, content in everyday_tree().items()
        },
        key=lambda name: name.rstrip(b"/"),
    )
    assert cli("ls", two, "folder").out == b"one\nsame as two\ntwo\n"
    assert cli("ls", f"{two}@v1", "folder/one").out == b"one\n"
    assert cli("ls", f"{two}@v1", "/deep/./er/").out == b"est/\n"


def test_ls_can_tell_more(cli: Cli, two: str, tree: Path) -> None:
    (line,) = cli("ls", "-l", f"{two}@v1", "folder/one").out.decode().splitlines()
    assert re.fullmatch(r"-rw-r--r-- +4097 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d one", line)
    (entry,) = json.loads(cli("ls", "--json", f"{two}@v1", "folder/one").out)
    assert entry == {
        "name": "one",
        "mode": "-rw-r--r--",
        "size": 4097,
        "mtime_ns": (tree / "folder" / "one").stat().st_mtime_ns,
    }


def test_cat_writes_a_file_as_it_is(cli: Cli, two: str) -> None:
    assert cli("cat", f"{two}@v1", "a.txt").out == b"alpha\n"
    assert cli("cat", two, "a.txt").out == b"changed\n"
    assert cli("cat", two, "three-blocks-and-five").out == everyday_tree()[b"three-blocks-and-five"]
    assert cli("cat", two, os.fsdecode(b"\xff\xfe not utf-8")).out == b"bytes"


def test_diff_tells_what_differs(cli: Cli, two: str) -> None:
    assert cli("diff", two, "v1", "v2").out == b"~ a.txt\n- empty\n+ new\n"
    assert json.loads(cli("diff", two, "v2", "v1", "--json").out) == [
        {"kind": "changed", "path": "a.txt"},
        {"kind": "added", "path": "empty"},
        {"kind": "removed", "path": "new"},
    ]


def test_verify_says_that_all_is_well(cli: Cli, two: str) -> None:
    assert cli("verify", f"{two}@v1").out.decode() == f"{two}@v1: 10 files, 4.2 MiB: all as recorded\n"
    assert json.loads(cli("verify", two, "--json").out) == []


def test_verify_names_what_is_damaged_and_fails(cli: Cli, two: str, tmp_path: Path) -> None:
    manifest = Volume.open(two).version("v1").manifest
    node = manifest.resolve(b"folder/two")
    assert node is not None
    pack, offset, _ = manifest.extent(manifest.first[node])
    with (tmp_path / "volume" / manifest.pack(pack).url).open("r+b") as file:
        file.seek(offset)
        file.write(b"!")
    found = cli("verify", f"{two}@v1")
    assert (found.status, found.out) == (1, b"folder/two: the bytes do not match their digest\n")
    parsed = cli("verify", f"{two}@v1", "--json")
    assert parsed.status == 1
    assert json.loads(parsed.out) == [
        {"reason": "the bytes do not match their digest", "paths": ["folder/two"]}
    ]
    cli("cat", f"{two}@v1", "folder/two").is_refusal(
        1, "@v1: folder/two: its bytes do not match their digest"
    )


@pytest.mark.fuse
def test_stats_and_clear_cache_of_a_mount(cli: Cli, packed: Volume, tmp_path: Path) -> None:
    with mounted(packed.url, tmp_path / "mnt", "--prefetch", "none", "--max-cache-size", "3MiB") as running:
        (running.path / "folder" / "two").read_bytes()
        values = json.loads(cli("stats", running.path, "--json").out)
        assert (values["bytes_fetched"], values["requests"], values["cache_limit_bytes"]) == (
            100_000,
            1,
            3 << 20,
        )
        table = dict(
            line.rsplit("  ", 1) for line in cli("stats", running.path).out.decode().splitlines() if line
        )
        assert {name.strip(): value.strip() for name, value in table.items()}["bytes fetched"] == "97.7 KiB"
        assert re.fullmatch(rb"cleared 100\d\d\d bytes\n", cli("clear-cache", running.path).out)
        assert json.loads(cli("stats", running.path, "--json").out)["cache_bytes"] == 0


ODD = os.fsdecode(b"\xff[/odd] [red]:smile: \xe2\x98\x83")


def test_odd_names_and_messages_are_printed_as_they_are(cli: Cli, tmp_path: Path) -> None:
    source = write_tree(tmp_path / f"{ODD[0]}[" / "odd] [red]", {os.fsencode(ODD).replace(b"/", b""): b"x"})
    volume = tmp_path / f"volume{ODD[0]}[" / "x]"
    os.mkfifo(source / "[")
    (source / "]").mkdir()
    os.mkfifo(source / "]" / "[bold]")
    made = cli("create", source, volume, "[v]", "-m", "[/why] [red]:smile:")
    assert made.status == 0, made.err
    assert made.err.count("[/odd] [red]/[: neither") == 1
    assert made.err.count("]/[bold]: neither") == 1
    assert b"[/why] [red]:smile:" in cli("log", volume).out
    assert cli("ls", volume).out == b"]/\n" + os.fsencode(ODD).replace(b"/", b"") + b"\n"
    manifest = Volume.open(str(volume)).version().manifest
    pack = volume / manifest.pack(0).url
    pack.write_bytes(pack.read_bytes()[:-1] + b"?")
    damaged = cli("verify", volume)
    assert (damaged.status, b"\xff[odd] [red]:smile: \xe2\x98\x83: the bytes do not" in damaged.out) == (
        1,
        True,
    )
    empty = cli("versions", tmp_path)
    assert empty.status == 0
    assert f"no versions; make one with: pond create DIR {tmp_path} VERSION" in empty.err
