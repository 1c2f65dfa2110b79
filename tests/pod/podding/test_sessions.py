"""Random sessions under every policy; the state machine compares every version that was ever saved with the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.pod.machine import VersionsMachine
from tests.pod.podding.policies import POLICIES
from tests.pod.subjects import PodSubject
from tests.pod.test_state_machine import LONG, SHORT

if TYPE_CHECKING:
    from pathlib import Path


def _machine(policy: str) -> type[VersionsMachine]:
    class OfPod(VersionsMachine):
        @staticmethod
        def make(folder: Path) -> PodSubject:
            return PodSubject(folder, options=[{"podding": POLICIES[policy]}])

    return OfPod


@pytest.mark.timeout(300)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_version_loads_as_it_was(policy: str) -> None:
    machine = _machine(policy)
    run_state_machine_as_test(machine, settings=settings(SHORT, max_examples=6))
    assert machine.compared > 30


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_version_of_long_sessions_loads_as_it_was(policy: str) -> None:
    machine = _machine(policy)
    run_state_machine_as_test(machine, settings=settings(LONG, max_examples=200))
    assert machine.compared > 2000
