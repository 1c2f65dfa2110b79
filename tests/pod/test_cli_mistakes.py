"""The command line: one clear line for each mistake, and nothing half made."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pod
from tests.pod.command import Cli, cli

__all__ = ["cli"]

PYTHON = [sys.executable, "-c", "from pod.cli import main; main()"]


def run(*arguments: object, config: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(config), "COLUMNS": "200"}
    return subprocess.run(
        [*PYTHON, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment
    )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def store(tmp_path: Path, config: Path) -> Path:
    path = tmp_path / "store"
    with pod.open(path) as opened:
        opened.save({"a": [1, 2, 3]})
    return path


MISTAKES = [
    (["log", "{none}"], 1, "no store; make one with: pod init"),
    (["log", "{folder}"], 1, "not a store, it holds thesis.tex"),
    (["log", "{file}"], 1, "not a folder"),
    (["verify", "{none}"], 1, "no store"),
    (["gc", "{none}"], 1, "no store"),
    (["stats", "{none}"], 1, "no store"),
    (["trust", "{none}"], 1, "no store"),
    (["trust", "{file}"], 1, "not a folder"),
    (["init", "{folder}"], 1, "choose an empty folder"),
    (["show", "7", "-s", "{store}"], 1, "7"),
    (["show", "none", "-s", "{store}"], 1, "none"),
    (["diff", "1", "none", "-s", "{store}"], 1, "none"),
    (["tag", "x", "9", "-s", "{store}"], 1, "9"),
    (["tag", "x", "--delete", "-s", "{store}"], 1, "x"),
    (["tag", "--delete", "-s", "{store}"], 2, "--delete takes the name of a tag"),
    (["tag", "x", "1", "--delete", "-s", "{store}"], 2, "and no version"),
    (["export", "1", "{file}", "-s", "{store}"], 2, "exists already; replace it with --force"),
    (["export", "9", "{none}", "-s", "{store}"], 1, "9"),
    (["export", "1", "{none}/x/y", "-s", "{store}"], 1, "No such file or directory"),
    (["export", "1", "{folder}/" + "x" * 300, "-s", "{store}"], 1, "File name too long"),
    (["init", "{folder}/" + "x" * 300], 1, "File name too long"),
    (["import", "{file}", "-s", "{store}"], 1, "not a log of pod"),
    (["import", "{none}", "-s", "{store}"], 1, "No such file or directory"),
    (["import", "{file}", "-s", "{none}"], 1, "not a log of pod"),
]


@pytest.mark.parametrize(("arguments", "status", "said"), MISTAKES)
def test_a_mistake_is_one_clear_line(
    arguments: list[str], status: int, said: str, store: Path, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("x")
    places = {name: str(tmp_path / name) for name in ("none", "folder", "file", "store")}
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    ended = cli(*(each.format(**places) for each in arguments))
    assert (ended.status, ended.out) == (status, ""), ended.err
    assert re.fullmatch(r"pod: [^\n]+\n", ended.err), ended.err
    assert said in ended.err
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize(
    "arguments", [["save"], ["show"], ["gc", "--keep", "-1"], ["gc", "--keep", "x"], ["log", "--none"]]
)
def test_a_wrong_call_is_bad_usage(arguments: list[str], cli: Cli) -> None:
    ended = cli(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert "Usage: pod" in ended.err
    assert "Traceback" not in ended.err


def test_a_damaged_store_is_one_clear_line(store: Path, cli: Cli) -> None:
    log = store / "00000001.pods"
    log.write_bytes(b"x" + log.read_bytes()[1:])
    ended = cli("log", store)
    assert (ended.status, ended.out) == (1, "")
    assert re.fullmatch(r"pod: [^\n]+ its first bytes are damaged\n", ended.err)


def test_a_key_that_others_may_read_is_one_clear_line(store: Path, config: Path, cli: Cli) -> None:
    (config / "pod" / "key").chmod(0o644)
    ended = cli("log", store)
    assert (ended.status, ended.out) == (2, "")
    assert re.fullmatch(r"pod: [^\n]+ chmod 600 [^\n]+\n", ended.err)


def test_a_key_that_can_be_put_nowhere_is_one_clear_line(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc")
    ended = cli("log", tmp_path)
    assert (ended.status, ended.out) == (1, "")
    assert re.fullmatch(
        r"pod: /proc/pod/key: No such file or directory; pod keeps the key [^\n]+\n", ended.err
    )


def test_a_closed_pipe_is_no_error(store: Path, config: Path) -> None:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(config)}
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*PYTHON, "log", str(store)], stdout=writing, stderr=subprocess.PIPE, check=False, env=environment
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) in [(-signal.SIGPIPE, b""), (0, b"")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_leaves_nothing(
    number: signal.Signals, store: Path, config: Path, tmp_path: Path
) -> None:
    with pod.open(store) as opened:
        tid = int(opened.save({"big": os.urandom(30_000_000)}))
    target = tmp_path / "big.pod"
    script = (
        "import os, signal, sys; from pod import cli; import pod.cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it ignored\n"
        "class Bar:\n"
        "    def __enter__(self): return self.tell\n"
        "    def __exit__(self, *_): pass\n"
        f"    def tell(self, done, total): os.kill(os.getpid(), {int(number)})\n"
        "pod.cli._progress = lambda title: Bar()\n"
        "cli.main()"
    )
    environment = {**os.environ, "XDG_CONFIG_HOME": str(config)}
    ended = subprocess.run(
        [sys.executable, "-c", script, "export", str(tid), str(target), "-s", str(store)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert ended.returncode not in (0, None)
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("big.pod*"))
    assert run("verify", store, config=config).returncode == 0
