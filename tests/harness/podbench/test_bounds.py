from __future__ import annotations

from typing import Any

import pytest

from harness.podbench._bounds import BASELINES, BOUNDS, held_bounds, mutated_fraction
from harness.systems.pod import names
from tests.harness.podbench.factory import loads, podbench_case, trial

TREE = {"tc": 10, "tv": 100, "tl": 1000, "tml": 10, "tme": 100}


def held(case: dict[str, Any], *beside: dict[str, Any]) -> dict[str, tuple[float, bool]]:
    return {h.bound.text: (h.value, h.holds) for h in held_bounds(case, [case, *beside])}


def sized(system: str, stored: int, workload: str = "nbupdate", **other: Any) -> dict[str, Any]:
    return podbench_case(system, workload, [trial(stored=stored)], **other)


def test_every_bound_is_of_a_system_that_there_is() -> None:
    assert {bound.system for bound in BOUNDS} <= set(names())
    assert len({(bound.system, bound.workload, bound.text) for bound in BOUNDS}) == len(BOUNDS)


@pytest.mark.parametrize(
    ("system", "other", "limit"),
    [
        ("pg0", "pnb", 0.01),
        ("pg1", "pnb", 0.01),
        ("pgcache4", "pgcache0", 0.001),
        ("pgcache0noavf", "snp", 0.03),
    ],
)
def test_what_must_store_the_same(system: str, other: str, limit: float) -> None:
    text = f"stores what {other} does, within {limit:.1%}"
    near, far = round(1_000_000 * (1 + limit * 0.9)), round(1_000_000 * (1 - limit * 1.1))

    assert held(sized(system, near), sized(other, 1_000_000))[text][1]
    assert not held(sized(system, far), sized(other, 1_000_000))[text][1]
    assert held(sized(system, near)) == {}


@pytest.mark.parametrize(
    ("tml", "tme", "fraction"), [(0, 100, 0.0), (10, 100, 0.1), (50, 10, 0.05), (100, 100, 1.0)]
)
def test_the_mutated_fraction_of_a_tree(tml: int, tme: int, fraction: float) -> None:
    assert mutated_fraction({**TREE, "tml": tml, "tme": tme}) == pytest.approx(fraction)


def test_few_lists_may_have_none_to_change() -> None:
    assert mutated_fraction({"tc": 2, "tv": 3, "tl": 3, "tml": 10, "tme": 100}) == 0
    assert mutated_fraction({"tc": 2, "tv": 0, "tl": 3, "tml": 10, "tme": 100}) == 0


@pytest.mark.parametrize(("stored", "holds"), [(1_900_000, True), (1_950_000, True), (2_000_000, False)])
def test_a_tree_grows_by_what_changes(stored: int, holds: bool) -> None:
    case = podbench_case("pga", "rmtree", [trial(stored=stored, behind=(1_000_000, 5))], parameters=TREE)

    assert held(case)["stores the first save x (1 + saves x fraction), within 3 %"][1] is holds


def test_the_first_save_is_that_of_the_call_where_nothing_goes_on_behind() -> None:
    case = podbench_case("pga", "rmtree", [trial(stored=3_000_000)], parameters=TREE)  # first dump: a third

    assert held(case)["stores the first save x (1 + saves x fraction), within 3 %"][0] == pytest.approx(
        3 / 1.9 - 1
    )


def test_our_default_stores_little_more_than_what_changed() -> None:
    text = "stores <= 1.1 x the bytes that changed"
    changed = 1.9 * 100 * 1000 * 100
    case = podbench_case("pod", "rmtree", [trial(stored=round(1.05 * changed))], parameters=TREE)

    assert held(case)[text] == (pytest.approx(1.05), True)


def test_pga_against_the_best_baseline() -> None:
    pga = podbench_case("pga", trials=[trial(stored=200, saves=(0.1,), join=0.1)])
    dill = podbench_case("dill", trials=[trial(stored=1200, saves=(0.4,), join=0.0)])
    others = [
        podbench_case(name, trials=[trial(stored=1000, saves=(0.6,), join=0.0)])
        for name in ("snp", "shev", "zodb", "zosp")
    ]
    found = held(pga, dill, *others)

    assert found["storage >= 5 x smaller than the best baseline's"] == (5.0, True)
    assert found["blocked >= 2.5 x shorter than by the best baseline"] == (pytest.approx(2.0), False)
    assert "storage >= 5 x smaller than the best baseline's" not in held(pga, *others)


def test_a_session_without_its_data_need_not_be_as_much_smaller_as_one_with_them() -> None:
    pga, *others = (podbench_case(name, "msciedaw[exc]") for name in ("pga", *BASELINES))

    assert list(held(pga, *others)) == ["every load right"]


def test_pod_is_never_worse_than_pga() -> None:
    pod, pga = (
        podbench_case(name, "nbupdate", [trial(stored=size)]) for name, size in (("pod", 1060), ("pga", 1000))
    )
    found = held(pod, pga)

    assert found["storage <= 1.05 x pga's"] == (1.06, False)
    assert found["blocked <= 1.05 x pga's"] == (1.0, True)
    assert found["load <= 1.05 x pga's"] == (1.0, True)


def test_every_load_of_ours_is_right_in_every_round() -> None:
    rounds = [trial(1, wrong=7), *map(trial, (2, 3, 4, 5))]

    assert held(podbench_case("pod", trials=rounds))["every load right"] == (7.0, False)
    assert held(podbench_case("pga", trials=[trial()]))["every load right"] == (0.0, True)


def test_where_no_load_was_compared_none_is_called_right() -> None:
    nothing = {**trial(), **{state: {**trial()[state], **loads([])} for state in ("warm", "cold")}}

    assert held(podbench_case("pod", trials=[nothing])) == {}


def test_no_figure_of_an_invalid_row_is_in_a_bound() -> None:
    pod, pga = podbench_case("pod"), podbench_case("pga")
    wrong = podbench_case("pod", trials=[trial(wrong=1)], label="INVALID")

    assert list(held(wrong, pga)) == ["every load right"]
    assert list(held(pod, podbench_case("pga", label="INVALID"))) == ["every load right"]
    assert len(held(pod, pga)) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"scale": 0.5},
        {"name": "mine"},
        {"name": "rmtree", "scale": 1.0, "parameters": {**TREE, "tv": 3, "tl": 3}},
        {"name": "rmtree", "scale": 1.0, "parameters": {**TREE, "tc": 0}},
    ],
)
def test_other_scales_unknown_notebooks_and_trees_of_nothing_or_little_are_held_to_no_figure(
    other: dict[str, Any],
) -> None:
    pod, pga = (podbench_case(name, **other) for name in ("pod", "pga"))

    assert list(held(pod, pga)) == ["every load right"]


def test_paper_fidelity_has_no_bounds() -> None:
    assert held(podbench_case("pga", fidelity="paper")) == {}


def test_a_bound_is_the_median_over_rounds() -> None:
    sizes = (1000, 1200, 1010)
    pod = podbench_case("pod", trials=[trial(number, stored=size) for number, size in enumerate(sizes, 1)])
    pga = podbench_case("pga", trials=[trial(number, stored=1000) for number in (1, 2, 3)])

    assert held(pod, pga)["storage <= 1.05 x pga's"] == (1.01, True)
