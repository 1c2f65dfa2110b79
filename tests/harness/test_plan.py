from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.plan import Options, build_plan, interleaved
from harness.suite import load_suite
from harness.systems.fuse import CONFIGS


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


@pytest.mark.parametrize(
    "options",
    [
        Options(rounds=0),
        Options(s3="moto"),
        Options(accesses=["sideways"]),
        Options(mode="fast"),
        Options(scale="7"),
    ],
)
def test_what_cannot_be_is_refused(options: Options) -> None:
    with pytest.raises(UsageError):
        build_plan(load_suite("fuse"), options, "torch")
