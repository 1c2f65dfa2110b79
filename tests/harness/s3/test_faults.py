"""Which requests go wrong."""

from __future__ import annotations

import pytest

from harness.s3._faults import FAULT_KINDS, Fault, FaultPlan


def kinds(plan: FaultPlan, requests: list[tuple[str, str]]) -> list[str | None]:
    return [fault.kind if (fault := plan.pick(operation, key)) else None for operation, key in requests]


def test_a_fault_is_chosen_by_key_and_operation():
    plan = FaultPlan([Fault("500", key="pack/*", operation="get")])
    asked = [("get", "pack/a"), ("get", "pack/d/a"), ("get", "other"), ("head", "pack/a")]
    assert kinds(plan, asked) == ["500", "500", None, None]


def test_a_fault_has_a_count_and_a_start():
    plan = FaultPlan([Fault("reset", count=2, skip=1)])
    assert kinds(plan, [("get", "x")] * 5) == [None, "reset", "reset", None, None]
    assert plan.hits == [2]


def test_the_first_rule_that_fires_decides():
    plan = FaultPlan([Fault("503", count=1), Fault("500")])
    assert kinds(plan, [("get", "x")] * 3) == ["503", "500", "500"]


def test_a_probability_is_seeded():
    def run(seed: int) -> list[str | None]:
        return kinds(FaultPlan([Fault("500", probability=0.3)], seed), [("get", "x")] * 1000)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 200 < sum(kind is not None for kind in run(1)) < 400


@pytest.mark.parametrize("kind", list(FAULT_KINDS))
def test_a_fault_survives_json(kind):
    fault = Fault(kind, key="a*", operation="put", probability=0.5, count=3, skip=1, after_bytes=9, stall_s=2)
    assert Fault.from_json(fault.to_json()) == fault


@pytest.mark.parametrize(
    "value", [{}, {"kind": "typo"}, {"kind": "500", "colour": 1}, {"kind": "500", "operation": "read"}]
)
def test_what_is_no_fault(value):
    with pytest.raises(ValueError, match=r"kind|typo|colour|read"):
        Fault.from_json(value)


def test_a_probability_is_one():
    with pytest.raises(ValueError, match="probability"):
        Fault("500", probability=2)
