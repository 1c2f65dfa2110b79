from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from harness.podbench._loads import measure_loads
from tests.harness.podbench.fakes import FakeJudge, FakeSystem

STATES: list[dict[str, Any]] = [{"a": 1}, {"a": 2, "b": 3}, {"c": 4}, {}]
NOTHING: list[set[str]] = [set()] * len(STATES)


def saved(system: FakeSystem) -> list[int | str]:
    return [system.save(state) for state in STATES]


def test_each_version_is_loaded_once_in_the_seeds_order() -> None:
    system = FakeSystem()
    found = measure_loads(system, saved(system), FakeJudge(STATES), NOTHING, 123)

    order = [0, 1, 2]
    random.Random(123).shuffle(order)
    assert [(load["nth"], load["tid"], load["load_b"]) for load in found.samples] == [
        (place, number, 10 * number) for place, number in enumerate(order)
    ]
    assert (found.checked, found.wrong, found.first_wrong) == (3, 0, None)


class Lying(FakeSystem):
    """Loads the first version whatever is asked for."""

    def load(self, version: Any, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        return super().load(0, names)


def test_a_system_that_lies_is_found_out() -> None:
    system = Lying()
    found = measure_loads(system, saved(system), FakeJudge(STATES), NOTHING, 1)

    assert (found.checked, found.wrong) == (3, 2)
    assert found.wrong_names == {"a": 1, "b": 1, "c": 1}
    assert str(found.first_wrong).startswith("the version after cell ")


class Broken(FakeSystem):
    """Cannot load its second version."""

    def load(self, version: Any, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        if version == 1:
            raise RuntimeError("torn")
        return super().load(version, names)


def test_a_load_that_fails_is_wrong_and_gives_no_time() -> None:
    system = Broken()
    found = measure_loads(system, saved(system), FakeJudge(STATES), NOTHING, 1)

    assert (found.checked, found.wrong, found.first_wrong) == (
        3,
        1,
        "the version after cell 2: RuntimeError: torn",
    )
    assert sorted(load["tid"] for load in found.samples) == [0, 2]


def test_where_nothing_was_saved_nothing_is_loaded() -> None:
    system = FakeSystem()
    found = measure_loads(system, saved(system), FakeJudge(STATES), [{"a", "b"}] * 4, 1)

    assert [load["tid"] for load in found.samples] == [2]
    assert found.checked == 1


class Forgetful(FakeSystem):
    """Has lost a variable in every version."""

    def load(self, version: Any, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        return {name: value for name, value in super().load(version, names).items() if name != "a"}


def test_what_one_version_was_said_to_lack_must_be_in_the_others() -> None:
    system = Forgetful()
    found = measure_loads(system, saved(system), FakeJudge(STATES), [{"a"}, (), (), ()], 1)

    assert (found.checked, found.wrong, found.wrong_names) == (2, 1, {"a": 1})


def test_what_runs_before_each_load_does() -> None:
    system, before = FakeSystem(), list[int]()
    measure_loads(system, saved(system), FakeJudge(STATES), NOTHING, 1, lambda: before.append(1))

    assert len(before) == 3
