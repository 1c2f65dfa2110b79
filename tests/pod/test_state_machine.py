"""Random sessions on pod's store; every version ever saved is compared with the oracle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.pod.elsewhere import Elsewhere
from tests.pod.machine import VersionsMachine
from tests.pod.subjects import PodSubject

_COMMON = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
SHORT = settings(_COMMON, max_examples=50, stateful_step_count=8, derandomize=True)
LONG = settings(_COMMON, max_examples=2000, stateful_step_count=30)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as process:
        yield process


def _machine(elsewhere: Elsewhere, options: Sequence[Mapping[str, Any]] = ({},)) -> type[VersionsMachine]:
    class OfPod(VersionsMachine):
        @staticmethod
        def make(folder: Path) -> PodSubject:
            return PodSubject(folder, elsewhere, options)

    return OfPod


@pytest.mark.timeout(300)
def test_every_version_loads_as_it_was(elsewhere: Elsewhere) -> None:
    machine = _machine(elsewhere)
    run_state_machine_as_test(machine, settings=SHORT)
    assert machine.compared > 300


_COATS: list[dict[str, Any]] = [
    {"chunk_dedup": False, "thesaurus_bytes": 64},
    {"codec": "lz4"},
    {"codec": "zstd", "chunk_dedup": False},
    {"thesaurus_bytes": 0},
    {"thesaurus_bytes": 4096, "chunk_dedup": False, "fidelity": "paper"},
    {},
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(2))
def test_every_version_loads_as_it_was_whatever_its_pods_wear(first: int, elsewhere: Elsewhere) -> None:
    machine = _machine(elsewhere, _COATS[first:] + _COATS[:first])
    run_state_machine_as_test(machine, settings=settings(SHORT, max_examples=20))
    assert machine.compared > 100


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_version_of_long_sessions_loads_as_it_was(elsewhere: Elsewhere) -> None:
    machine = _machine(elsewhere)
    run_state_machine_as_test(machine, settings=LONG)
    assert machine.compared > 20_000
