"""The verbs of `pod-bench` as a user types them: what they print, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.durable import write_json
from harness.home import Home
from harness.runs import RunFolder
from tests.harness.podbench.factory import podbench_case, trial


class Cli:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        self._monkeypatch.setattr("sys.argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        assert (ended.value.code or 0) == code, said.err
        return said.out, said.err


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    return Home(tmp_path)


@pytest.fixture
def cli(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(monkeypatch, capsys)


def test_a_dry_run_says_what_would_run_and_touches_nothing(cli: Cli, home: Home) -> None:
    out, err = cli(
        "pod-bench", "--sut", "snp,pga", "--nb", "rmlist[exc],rmtree[tc=3]", "--rounds", "3", "--dry-run"
    )

    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [
        ["snp", "rmlist[exc]"], ["pga", "rmlist[exc]"], ["snp", "rmtree[tc=3]"], ["pga", "rmtree[tc=3]"],
    ]  # fmt: skip
    assert lines[-1].startswith("12 runs: snp, pga on rmlist[exc] at scale 0.1, rmtree[tc=3] at scale 1")
    assert err == ""
    assert list(home.folder.iterdir()) == []


def test_the_published_second_experiment_is_counted(cli: Cli) -> None:
    command = "pod-bench-exp2 --suts snp,dill,shev,zosp,zodb,pga --tc 2 --tv 1,2,3 --tl 1,2,3 --tml 1,10,100 --tme 1,10,100"
    out, _ = cli(*command.split(), "--dry-run")

    assert out.splitlines()[-1].startswith("486 runs: ")
    assert len(out.splitlines()[-1]) < 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("pod-bench --sut nope", "harness: SUT=nope: character 1: unknown system 'nope'; there are: snp"),
        ("pod-bench --nb rmlist[", "harness: NB=rmlist[: character 8: a suffix is [exc] [n=K]"),
        ("pod-bench --nb=", "harness: NB=: character 1: the name of a workload is missing"),
        ("pod-bench --notebook gone.ipynb", "harness: "),
        ("pod-bench-exp2 --tml 0,…", "harness: TML=0,…: character 4: … needs two growing numbers"),
        ("pod-bench-exp2 --tme 200", "harness: rmtree[tme=200]: give at most 100"),
        ("pod-bench --resume gone", "harness: no run 'gone'"),
        ("export expstat gone -o there", "harness: no run 'gone'"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, arguments: str, said: str) -> None:
    out, err = cli(*arguments.split(), code=2)

    assert out == ""
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(cli: Cli, home: Home) -> None:
    (home.folder / "results").write_text("in the way")
    out, err = cli("pod-bench", "--sut", "noop", "--nb", "rmlist", code=1)

    assert (out, err.count("\n")) == ("", 1)
    assert "cannot be written: Not a directory; HARNESS_HOME names another folder" in err


@pytest.fixture
def run(home: Home) -> RunFolder:
    """A complete run with one result."""
    run = RunFolder(home.runs / "run-b")
    case = podbench_case("pga", "skltweet", [trial(1), trial(2)])
    run.begin({"suite": "pod-bench", "rounds": 1, "groups": [case["id"]], "request": {"systems": "pga"}})
    run.write_unit(case["id"], 1, {"group": case["id"], "round": 1})
    write_json(run.folder / f"{case['id']}.json", case)
    return run


def test_a_run_is_shown(cli: Cli, run: RunFolder) -> None:
    flat = json.loads(cli("show", "--suite", "pod-bench", "--run", "run-b", "--json")[0])

    assert [(row["system"], row["storage_bytes"], row["n"]) for row in flat] == [("pga", 1000.0, 2)]
    assert "pga" in cli("show", "--suite", "pod-bench", "--run", "run-b")[0]


def test_a_table_names_workloads_with_their_suffixes(cli: Cli, home: Home) -> None:
    run = RunFolder(home.runs / "run-c")
    tree = {"tc": 2, "tv": 100, "tl": 1000, "tml": 50, "tme": 100}
    case = podbench_case("pga", "rmtree[tc=2][tml=50][exc]", parameters=tree)
    run.begin({"suite": "pod-bench", "rounds": 1, "groups": [case["id"]]})
    write_json(run.folder / f"{case['id']}.json", case)

    assert "rmtree[tc=2][tml=50][exc]  1 " in cli("show", "--suite", "pod-bench", "--run", "run-c")[0]


def test_a_run_is_published_and_shown(cli: Cli, home: Home, run: RunFolder) -> None:
    out, _ = cli("publish", "run-b")

    assert out.startswith("1 result in results/pod-bench/")
    assert len(json.loads(cli("show", "--suite", "pod-bench", "--json")[0])) == 1


def test_a_run_is_exported_in_the_published_layout(cli: Cli, tmp_path: Path, run: RunFolder) -> None:
    out, _ = cli("export", "expstat", "run-b", "-o", str(tmp_path / "result"))

    assert out == f"3 files in {tmp_path / 'result'}\n"
    for name in ("exp1_pga_skltweet", "exp1_pga_skltweet[n=0]", "exp1_pga_skltweet[n=1]"):
        assert (tmp_path / "result" / name / "expstat.json").is_file()


def test_an_export_that_cannot_be_written_is_one_line(cli: Cli, tmp_path: Path, run: RunFolder) -> None:
    (tmp_path / "file").write_text("")
    out, err = cli("export", "expstat", "run-b", "-o", str(tmp_path / "file"), code=1)

    assert (out, err.count("\n")) == ("", 1)
    assert "cannot be written: Not a directory" in err


@pytest.mark.parametrize("verb", ["pod-bench --resume", "export expstat -o there"])
def test_a_run_of_another_suite_is_refused(cli: Cli, home: Home, verb: str) -> None:
    RunFolder(home.runs / "a-run").begin({"suite": "fuse"})
    _, err = cli(*verb.split(), "a-run", code=2)

    assert err == "harness: run a-run is of suite 'fuse', not 'pod-bench'\n"
