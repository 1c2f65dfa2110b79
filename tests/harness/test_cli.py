"""The command line by itself: what it prints, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli._console import output
from harness.home import Home
from harness.runs import RunFolder
from harness.wording import command

ROOT = Path(__file__).resolve().parents[2]


class Cli:
    """`harness`, in this process, in a home of its own."""

    def __init__(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = home
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        self._monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        assert (ended.value.code or 0) == code, said.err
        return said.out, said.err


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    return Cli(Home(tmp_path), monkeypatch, capsys)


@pytest.mark.parametrize("columns", ["", "wide", "0", "-1"])
def test_columns_that_say_no_width_count_as_not_set(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert cli("show")[1] == ""
    assert output(99).width == 99
    monkeypatch.setenv("COLUMNS", "120")
    assert output(99).width == 120


def test_the_last_run_of_another_suite_is_named(cli: Cli) -> None:
    RunFolder(cli.home.runs / "a-run").begin({"suite": "small"})

    out, err = cli("show", "--suite", "fuse", "--run", "last", code=2)

    assert (out, err) == (
        "", "harness: run a-run is of suite 'small', not 'fuse': --suite small shows it\n",
    )  # fmt: skip
    assert cli("show", "--suite", "small", "--run", "last")[0] == "run last has no results yet\n"


@pytest.mark.parametrize(
    ("suite", "verb"), [("fuse", "run fuse"), ("pod-bench", "pod-bench"), ("pod-micro", "pod-micro")]
)
def test_where_nothing_is_published_it_is_said_how_to_change_that(cli: Cli, suite: str, verb: str) -> None:
    out, err = cli("show", "--suite", suite)

    assert (out, err) == (
        f"nothing of suite {suite!r} is published; to change that: {command(verb)}, then {command('publish last')}\n", "",
    )  # fmt: skip
    assert cli("show", "--suite", suite, "--json") == ("[]\n", "")


def test_an_unknown_suite_is_refused_with_those_that_there_are(cli: Cli) -> None:
    out, err = cli("show", "--suite", "pod-bnech", code=2)

    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("harness: nothing is published of a suite 'pod-bnech'; there are: ")
    assert err.endswith("pod-micro, pod-bench\n")


@pytest.mark.parametrize("loader", ["auto", "pillow"])
def test_only_takes_the_ids_that_plan_lists(cli: Cli, loader: str) -> None:
    listed = [
        one["id"] for one in json.loads(cli("plan", "fuse", "--judged", "--loader", loader, "--json")[0])
    ]
    assert len(listed) > 8

    chosen = f"{listed[0]},{listed[-1]}"
    picked = cli("plan", "fuse", "--judged", "--loader", loader, "--only", chosen, "--json")[0]

    assert {listed[0], listed[-1]} <= {one["id"] for one in json.loads(picked)}
    assert len(json.loads(picked)) < len(listed)
    checked = check_request("fuse", "--judged", "--loader", loader, "--only", chosen)
    assert (checked.returncode, checked.stderr) == (0, "")


def check_request(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-B", "tools/check_request.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("flag", ["--only", "--config", "--access"])
@pytest.mark.parametrize("text", [",", ""])
def test_a_list_with_nothing_in_it_is_refused(cli: Cli, flag: str, text: str) -> None:
    said = f"harness: {flag} names nothing; leave it out for everything\n"

    assert cli("plan", "fuse", flag, text, code=2) == ("", said)
    assert cli("run", "fuse", flag, text, code=2) == ("", said)
    refused = check_request("fuse", flag, text)
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", said)
    assert list(cli.home.folder.iterdir()) == []


def test_a_name_that_no_case_has_is_refused_before_a_loader_is_looked_for(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli._run.resolve_loader", lambda *_, **__: pytest.fail("looked for"))

    assert "no case is called '_auto_'" in cli("run", "fuse", "--only", "_auto_", code=2)[1]
    assert "no case is called '_auto_'" in check_request("fuse", "--only", "_auto_").stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'schema = 1\nname = "\xe9"\n', "mine.toml:2: is not UTF-8"),
        (b'schema = 1\nname = "a/b"\n', "mine.toml:2: top level, key 'name': is 'a/b'"),
    ],
)
def test_a_suite_that_cannot_be_read_is_one_line(cli: Cli, tmp_path: Path, content: bytes, said: str) -> None:
    rest = b'kind = "fuse"\nrepeats = 1\ntimeout_s = 1\nscale = 1\n[[system]]\nname = "*"\n'
    suite = tmp_path / "mine.toml"
    suite.write_bytes(content + rest + b'[[workload]]\nname = "random"\nparams = {}\n')

    out, err = cli("plan", str(suite), code=2)

    assert out == ""
    assert err.startswith(f"harness: {said}")
    assert len(err.splitlines()) == 1


def test_judged_is_what_the_suite_says_and_no_number(cli: Cli) -> None:
    out, _ = cli("run", "--help")
    variables = subprocess.run(
        [ROOT / "tools" / "variables.sh"], capture_output=True, text=True, check=True
    ).stdout

    help_text = " ".join(out.partition("--judged")[2].partition("--s3")[0].split())
    assert help_text == "The suite's judged scale and rounds: what a verdict needs."
    assert "JUDGED=1   the suite's judged scale and rounds" in variables
