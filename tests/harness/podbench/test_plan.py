from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError, UsageError
from harness.home import Home
from harness.podbench._bounds import BASELINES
from harness.podbench._grammar import Asked
from harness.podbench._plan import Case, Request, file_name, make_plan, tree_workloads, typed_names
from harness.podbench._published import published_ratio
from harness.podbench._room import check_room, memory_bytes
from harness.podworkloads import WORKLOADS
from harness.systems.pod import names
from tests.harness.podbench.factory import podbench_case


def test_all_workloads_are_meant_where_none_is_named() -> None:
    plan = make_plan(Request(systems="pga"))

    assert [asked.name for asked in plan.workloads] == list(WORKLOADS)
    assert len(plan.cases) == len(WORKLOADS)


def test_what_is_named_twice_is_one_case() -> None:
    plan = make_plan(Request(systems="pgcache0,snp,pgcache0", workloads="rmlist,rmlist,rmlist[n=1]"))

    assert plan.systems == ("pgcache0", "snp")
    assert plan.workloads == (Asked("rmlist"), Asked("rmlist", repetition=1))


def test_all_systems_can_be_meant() -> None:
    plan = make_plan(Request(systems="all", require="all"))

    assert list(plan.systems) == names()
    assert plan.require == set(names())


def test_the_published_drivers_names_are_understood() -> None:
    assert make_plan(Request(systems="snapshotzlib,snapshotxdelta", workloads="rmlist")).systems == (
        "snz",
        "snx",
    )


def test_ids_are_names_of_files() -> None:
    plan = make_plan(Request(systems="snp", workloads="rmtree[tc=2][tml=1e2][exc][n=3]", fidelity="paper"))

    assert plan.cases[0].id(plan) == "rmtree+tc2+tml100+exc+n3_snp_scale1_paper"
    assert plan.parameters_of(plan.workloads[0])["tc"] == 2
    assert set(plan.parameters_of(plan.workloads[0])) == {"tc", "tv", "tl", "tml", "tme"}
    assert file_name(Asked("my notebook")) == "my-notebook"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"systems": "nope"}, "SUT=nope: character 1: unknown system 'nope'; there are: snp, dill"),
        ({"systems": ""}, "SUT=: character 1: the name of a system is missing"),
        (
            {"workloads": "nope"},
            "NB=nope: character 1: unknown workload 'nope'; there are: skltweet, msciedaw",
        ),
        ({"workloads": ""}, "NB=: character 1: the name of a workload is missing"),
        ({"rounds": 0}, "ROUNDS must be at least 1, not 0"),
        ({"scale": "2"}, "scale 2 is not in"),
        ({"scale": "x"}, "scale 'x' is not a fraction"),
        ({"fidelity": "near"}, "unknown fidelity 'near'; there are: fixed, paper"),
        ({"timeout_s": 0.0}, "the time limit must be greater than 0 s, not 0"),
        ({"timeout_s": float("nan")}, "the time limit must be greater than 0 s, not nan"),
        ({"workloads": "rmlist,rmtree[tml=200]"}, "rmtree[tml=200]: give at most 100"),
        ({"data": "/nowhere"}, "NBDATA=/nowhere: there is no such folder"),
        ({"require": "nope"}, "REQUIRE=nope: character 1: unknown system"),
        ({"require": "snp,criu,crii"}, "REQUIRE=snp,criu,crii: not in SUT, so not tried: criu, crii"),
        (
            {"notebook": "/nowhere.ipynb", "workloads": None},
            "/nowhere.ipynb cannot be read: No such file or directory",
        ),
        ({"notebook": "/nowhere.ipynb"}, "NB and NOTEBOOK exclude each other"),
    ],
)
def test_a_wrong_request_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(Request(**{"systems": "snp", "workloads": "rmlist", **wrong}))  # type: ignore[arg-type]

    assert str(caught.value).startswith(said)


def test_a_notebook_is_a_workload(tmp_path: Path) -> None:
    notebook = tmp_path / "mine.ipynb"
    notebook.write_text('{"cells": [{"cell_type": "code", "source": ["a = 1"]}]}')
    plan = make_plan(Request(systems="snp", notebook=str(notebook)))

    assert [str(asked) for asked in plan.workloads] == ["nb-mine"]
    assert plan.workload_of(plan.workloads[0]).cells({}) == ["a = 1"]
    assert plan.cases == [Case("snp", Asked("nb-mine"))]


def test_a_notebook_that_is_called_as_a_workload_is_another(tmp_path: Path) -> None:
    notebook = tmp_path / "rmtree.ipynb"
    notebook.write_text('{"cells": [{"cell_type": "code", "source": ["a = 1"]}]}')
    plan = make_plan(Request(systems="pga", notebook=str(notebook)))
    check_room(plan, Home(tmp_path))
    (case,) = plan.cases

    assert case.id(plan) == "nb-rmtree_pga_scale1"
    assert published_ratio(podbench_case("pga", str(case.asked)), BASELINES) is None


def test_the_second_experiment_is_one_tree_for_each_setting() -> None:
    text = tree_workloads("2", "1,2", "1e3", "0,10,…,20", "100")

    assert text.split(",") == [
        f"rmtree[exc][tc=2][tv={tv}][tl=1e3][tml={tml}][tme=100]" for tv in (1, 2) for tml in (0, 10, 20)
    ]


def test_names_are_known_as_they_were_typed() -> None:
    text = "rmtree[tv=1e2][tc=10][exc], rmtree[tc = 2][n=0], rmlist"

    assert typed_names(Request(systems="snp", workloads=text)) == {
        "rmtree[tc=10][tv=100][exc]": "rmtree[exc][tv=1e2][tc=10]",
        "rmtree[tc=2][n=0]": "rmtree[tc=2][n=0]",
        "rmlist": "rmlist",
    }
    assert typed_names(Request(systems="snp")) == {}


def test_a_request_is_kept_as_json() -> None:
    request = Request(systems="snp", workloads="rmlist", scale="1/4")

    assert Request(**request.as_json()) == request


def test_what_does_not_fit_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    fits = make_plan(Request(systems="snp", workloads="rmtree[tc=2][tv=2][tl=10]"))
    huge = make_plan(Request(systems="snp", workloads="rmtree[tc=100][tv=1e4][tl=1e7]"))

    check_room(fits, Home(tmp_path))
    assert memory_bytes(fits) > 0
    with pytest.raises(
        HarnessError, match=r"at scale 1 needs .* GiB of disk, .* are free: give a smaller SCALE"
    ):
        check_room(huge, Home(tmp_path))
