from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import SuiteError, UsageError
from harness.plan import Options, Plan, build_plan, interleaved
from harness.suite import load_suite
from harness.systems.fuse import CONFIGS, SYSTEMS


def pairs(options: Options) -> list[tuple[str, str, str]]:
    plan = build_plan(load_suite("fuse"), options, "pillow")
    return [(case.system, case.config, case.access) for case in plan.cases]


def test_tmpfs_runs_beside_whatever_is_asked_for() -> None:
    assert pairs(Options(configs=["19GiB"], accesses=["random"])) == [
        ("pond", "19GiB", "random"),
        ("tmpfs", "files", "random"),
    ]


def test_a_typo_in_config_lists_the_configs() -> None:
    with pytest.raises(UsageError) as caught:
        build_plan(load_suite("fuse"), Options(configs=["typo"]), "pillow")

    assert "'typo'" in str(caught.value)
    assert all(name in str(caught.value) for name in CONFIGS)


def test_judged_takes_the_suites_scale_and_rounds_unless_told_otherwise() -> None:
    suite = load_suite("fuse")
    plans = [
        build_plan(suite, options, "torch")
        for options in (Options(), Options(judged=True), Options(judged=True, rounds=2, scale="1/8"))
    ]

    assert [(plan.scale_text, plan.rounds) for plan in plans] == [("1/32", 3), ("1/16", 7), ("1/8", 2)]


def test_every_case_goes_first_equally_often() -> None:
    cases = build_plan(load_suite("fuse"), Options(accesses=["random"]), "torch").cases
    firsts = [interleaved(cases, number)[0] for number in range(1, len(cases) + 1)]

    assert set(firsts) == set(cases)
    assert all(set(interleaved(cases, number)) == set(cases) for number in range(1, 9))


def test_cases_have_distinct_names_that_hold_what_they_depend_on() -> None:
    ids = [case.id for case in build_plan(load_suite("fuse"), Options(), "torch").cases]

    assert len(ids) == len(set(ids))
    assert "pond_19GiB_random_decode_torch_sim-aws_scale1of32" in ids


SUITE = """schema = 1
name = "mine"
kind = "fuse"
repeats = 4
timeout_s = 60
scale = "1/64"

[[system]]
name = "pond"
configs = ["2GiB"]
profiles = ["aws", "none"]

[[system]]
name = "pond"
configs = ["19GiB"]
rounds = 2

[[system]]
name = "tmpfs"
configs = ["files"]
profiles = ["aws", "none"]

[[workload]]
name = "random"
params = { access = "random" }
"""


def mine(folder: Path, options: Options = Options(), text: str = SUITE) -> Plan:  # noqa: B008  (frozen)
    path = folder / "mine.toml"
    path.write_text(text)
    return build_plan(load_suite(str(path)), options, "pillow")


def rows(plan: Plan) -> list[tuple[str, str, str, int]]:
    return [(case.system, case.config, case.s3, plan.rounds_of(case)) for case in plan.cases]


def test_a_system_may_run_over_several_networks_and_in_the_first_rounds_only(tmp_path: Path) -> None:
    plan = mine(tmp_path)

    assert rows(plan) == [
        ("pond", "2GiB", "sim-aws", 4),
        ("pond", "2GiB", "sim-none", 4),
        ("pond", "19GiB", "sim-aws", 2),
        ("tmpfs", "files", "sim-aws", 4),
    ]
    assert [case.profile for case in plan.cases] == ["aws", "none", "aws", "aws"]
    assert [len(plan.of_unit("random-decode", number)) for number in range(1, 5)] == [4, 4, 3, 3]
    assert plan.units == [("random-decode", number) for number in range(1, 5)]


def test_the_command_lines_network_and_rounds_come_before_the_suites(tmp_path: Path) -> None:
    assert rows(mine(tmp_path, Options(profile="aws-fast", rounds=1))) == [
        ("pond", "2GiB", "sim-aws-fast", 1),
        ("pond", "19GiB", "sim-aws-fast", 1),
        ("tmpfs", "files", "sim-aws-fast", 1),
    ]
    assert {case.s3 for case in mine(tmp_path, Options(s3="seaweedfs")).cases} == {"seaweedfs"}
    assert rows(mine(tmp_path, Options(configs=["19GiB"]))) == [
        ("pond", "19GiB", "sim-aws", 2),
        ("tmpfs", "files", "sim-aws", 4),
    ]


def test_only_picks_cases_by_name_and_the_ceiling_stays_beside_them(tmp_path: Path) -> None:
    for pattern in ("sim-none", "*_sim-none_*"):
        assert rows(mine(tmp_path, Options(only=[pattern]))) == [
            ("pond", "2GiB", "sim-none", 4),
            ("tmpfs", "files", "sim-aws", 4),
        ]
    with pytest.raises(UsageError, match="no case is called 'typo'"):
        mine(tmp_path, Options(only=["typo"]))


@pytest.mark.parametrize("loader", ["torch", "pillow"])
def test_only_takes_a_whole_name_while_it_is_open_which_loader_it_will_be(loader: str) -> None:
    suite = load_suite("fuse")
    name = build_plan(suite, Options(), loader).cases[0].id
    picked = build_plan(suite, Options(only=[name]), loader).cases

    assert [case.id for case in picked if case.system != "tmpfs"] == [name]
    assert len(build_plan(suite, Options(only=[name]), "auto").cases) == len(picked) == 2
    with pytest.raises(UsageError, match="no case is called"):
        build_plan(suite, Options(only=[name]), {"torch": "pillow", "pillow": "torch"}[loader])


def test_a_star_is_every_system_in_its_first_config() -> None:
    plan = build_plan(load_suite("tiny"), Options(), "pillow")

    assert [case.system for case in plan.cases] == list(SYSTEMS)
    firsts = [next(iter(system.configs.values())) for system in SYSTEMS.values()]
    assert [case.config for case in plan.cases] == firsts


def test_workloads_that_differ_have_names_that_differ(tmp_path: Path) -> None:
    more = '[[workload]]\nname = "small"\nparams = { access = "random", batch_size = 8, workers = 2 }\n'
    plan = mine(tmp_path, text=SUITE + more)

    assert plan.groups == ["random-decode", "random-decode-b8-w2"]
    assert len({case.id for case in plan.cases}) == len(plan.cases) == 8
    assert plan.cases[-1].id == "tmpfs_files_random_decode_pillow_sim-aws_scale1of64_b8_w2"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('name = "pond"\nconfigs = ["19GiB"]', 'name = "bond"\nconfigs = ["19GiB"]', 14),
        ('configs = ["19GiB"]', 'configs = ["18GiB"]', 14),
        (
            'profiles = ["aws", "none"]\n\n[[system]]\nname = "pond"',
            'profiles = ["avs"]\n\n[[system]]\nname = "pond"',
            9,
        ),
    ],
)
def test_a_name_that_is_unknown_is_shown_with_its_line(tmp_path: Path, old: str, new: str, line: int) -> None:
    assert old in SUITE
    with pytest.raises(SuiteError, match=rf"mine\.toml:{line}: "):
        mine(tmp_path, text=SUITE.replace(old, new, 1))


def test_options_come_back_as_they_were_kept() -> None:
    options = Options(configs=["2GiB"], profile="none", data=Path("images"), only=["pond"])

    assert Options.from_json(json.loads(json.dumps(options.as_json()))) == options
    before_only = {key: value for key, value in options.as_json().items() if key != "only"}
    assert Options.from_json(before_only) == Options(configs=["2GiB"], profile="none", data=Path("images"))


@pytest.mark.parametrize(
    "options",
    [
        Options(rounds=0),
        Options(s3="moto"),
        Options(accesses=["sideways"]),
        Options(mode="fast"),
        Options(scale="7"),
        Options(profile="moon"),
        Options(only=[]),
        Options(configs=[]),
        Options(accesses=[]),
    ],
)
def test_what_cannot_be_is_refused(options: Options) -> None:
    with pytest.raises(UsageError):
        build_plan(load_suite("fuse"), options, "torch")
