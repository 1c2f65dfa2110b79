"""The commands that the published README types, literally: all of them are read, and they come to 1,140 runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from harness.podbench._grammar import parse_systems, parse_workloads
from harness.podbench._known import ALIASES
from harness.podbench._plan import Request, make_plan, tree_workloads

GUIDE: Final = Path(__file__).resolve().parents[3] / "docs" / "reproduce-pod.md"

EXP1 = [
    (
        "snp,dill,shev,zosp,zodb,criu,crii,pga,pfl,pfa,pg0,pg1,pgcache0,pgcache0noavf,pgcache0,pgcache4,pgcache16,"
        "pgcache64,pgcache256,pgcache1024,pgcache4096,pgcache16384,pgcache65536,pgcache262144,pgcache1048576,pgl,"
        "pglnoavlstatic,pglnostatic,pgnoavf,pgnoavl,pgnoavlstatic,pgnostatic,pnb,pnv,prand",
        "skltweet,ai4code,agripred,msciedaw,ecomsmph",
        175,
    ),
    ("snp,shev,zosp,zodb,criu,crii,pga", "netmnist,rlactcri,vaenet,tseqpred,wordlang", 35),
    (
        "snp,shev,zosp,zodb,criu,crii,pga",
        "skltweet[exc],ai4code[exc],agripred[exc],msciedaw[exc],ecomsmph[exc]",
        35,
    ),
    ("snz,pgaz", "skltweet", 2),
    ("snapshotzlib", "skltweet", 1),  # as it is printed; what it means is snapshotxdelta
    (
        "noop,pgnoop",
        "skltweet[n=0],ai4code[n=0],agripred[n=0],msciedaw[n=0],ecomsmph[n=0],skltweet[n=1],ai4code[n=1],agripred[n=1],"
        "msciedaw[n=1],ecomsmph[n=1],skltweet[n=2],ai4code[n=2],agripred[n=2],msciedaw[n=2],ecomsmph[n=2],skltweet[n=3],"
        "ai4code[n=3],agripred[n=3],msciedaw[n=3],ecomsmph[n=3],skltweet[n=4],ai4code[n=4],agripred[n=4],msciedaw[n=4],"
        "ecomsmph[n=4],skltweet[n=5],ai4code[n=5],agripred[n=5],msciedaw[n=5],ecomsmph[n=5],skltweet[n=6],ai4code[n=6],"
        "agripred[n=6],msciedaw[n=6],ecomsmph[n=6],skltweet[n=7],ai4code[n=7],agripred[n=7],msciedaw[n=7],ecomsmph[n=7],"
        "skltweet[n=8],ai4code[n=8],agripred[n=8],msciedaw[n=8],ecomsmph[n=8],skltweet[n=9],ai4code[n=9],agripred[n=9],"
        "msciedaw[n=9],ecomsmph[n=9]",
        100,
    ),
]
_ALL = "snp,dill,shev,zosp,zodb,criu,crii,pga"
EXP2 = [
    (_ALL, ("10", "1e2", "1e5", "0,10,20,30,40,50,60,70,80,90,100", "100"), 88),
    (_ALL, ("2", "1,2,3", "1,2,3", "1,10,100", "1,10,100"), 648),
    (_ALL, ("10", "1e2", "1e0,1e1,1e2,1e3,1e4,1e5,1e6", "1", "100"), 56),
]
SYSTEMS = [*sorted({name for systems, _, _ in EXP1 for name in systems.split(",")} - set(ALIASES)), "snx"]
WORKLOADS: dict[str, tuple[str, ...]] = dict.fromkeys(
    [
        "skltweet",
        "ai4code",
        "agripred",
        "msciedaw",
        "ecomsmph",
        "netmnist",
        "rlactcri",
        "vaenet",
        "tseqpred",
        "wordlang",
    ],
    (),
)
TREE = {"rmtree": ("tc", "tv", "tl", "tml", "tme")}


@pytest.mark.parametrize(("systems", "workloads", "runs"), EXP1)
def test_a_command_of_the_first_experiment_is_read(systems: str, workloads: str, runs: int) -> None:
    read = parse_systems(systems, SYSTEMS, ALIASES), parse_workloads(workloads, WORKLOADS)

    assert len(read[0]) * len(read[1]) == runs


@pytest.mark.parametrize(("systems", "settings", "runs"), EXP2)
def test_a_command_of_the_second_experiment_is_read(
    systems: str, settings: tuple[str, str, str, str, str], runs: int
) -> None:
    read = parse_workloads(tree_workloads(*settings), TREE)

    assert len(parse_systems(systems, SYSTEMS)) * len(read) == runs
    assert all(one.exclude and len(one.parameters) == 5 for one in read)
    assert len(set(read)) == len(read)


def test_all_commands_are_1140_runs() -> None:
    assert sum(runs for *_, runs in EXP1) + sum(runs for *_, runs in EXP2) == 1140


def test_the_misprinted_command_is_read_in_both_ways() -> None:
    assert parse_systems("snapshotzlib,snapshotxdelta", SYSTEMS, ALIASES) == ["snz", "snx"]


COMMANDS = re.findall(r"`make (bench-pod(?:-exp2)? SUTS?=[^`]*)`", GUIDE.read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_guides_commands_are_read(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lists.ipynb").write_text('{"cells": [{"cell_type": "code", "source": "a = [[1], [2]]"}]}')
    monkeypatch.chdir(tmp_path)
    target, *typed = command.split()
    given = {name.lower(): value for name, _, value in (each.partition("=") for each in typed)}
    if target == "bench-pod-exp2":
        systems, workloads = (
            given.pop("suts"),
            tree_workloads(**{name: given.pop(name) for name in TREE["rmtree"]}),
        )
    else:
        systems, workloads = given.pop("sut"), given.pop("nb", None)
    rounds = int(given.pop("rounds", 1))
    plan = make_plan(Request(systems=systems, workloads=workloads, rounds=rounds, **given))

    assert plan.cases


def test_the_guide_has_commands() -> None:
    assert len(COMMANDS) >= 12
