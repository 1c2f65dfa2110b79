"""The state machine passes a store that is right, and fails every store that is wrong."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.pod.machine import VersionsMachine
from tests.pod.mutants import MUTANTS
from tests.pod.subjects import ReplaySubject

_LAX = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
PROFILE = settings(
    max_examples=400,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=_LAX,
    report_multiple_bugs=False,
)


def _machine(subject: type[ReplaySubject]) -> type[VersionsMachine]:
    return type(f"Of{subject.__name__}", (VersionsMachine,), {"make": subject})


def test_a_right_store_passes() -> None:
    machine = _machine(ReplaySubject)
    run_state_machine_as_test(machine, settings=settings(PROFILE, max_examples=60))
    assert machine.compared > 300


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_store_is_found_out(mutant: type[ReplaySubject]) -> None:
    with pytest.raises(AssertionError, match=r"version \d+|a tid|could not be saved"):
        run_state_machine_as_test(_machine(mutant), settings=PROFILE)
