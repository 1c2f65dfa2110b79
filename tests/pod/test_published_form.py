"""Random sessions on the published form, which are found out, and on ours with every cell checked, which are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import pod
from tests.pod.machine import VersionsMachine
from tests.pod.sessions import Session, Step
from tests.pod.subjects import PodSubject

_SETTINGS = settings(
    max_examples=60,
    stateful_step_count=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    report_multiple_bugs=False,
)


class Optioned(PodSubject):
    """A store with other options than the default's, whose cells are run as it likes."""

    options: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reopen()

    def reopen(self) -> None:
        self._store.close()
        self._store = pod.open(self._folder, **self.options)

    @property
    def session(self) -> Session:
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        def do(step: Step) -> None:
            with self._store.cell(step.text, session.namespace):
                Session.do(session, step)

        session.do = do  # type: ignore[method-assign]
        self._session = session


class Published(Optioned):
    options = {"fidelity": "paper", "mode": "sync", "ascc": True}  # noqa: RUF012


class Checked(Optioned):
    options = {"ascc": True, "mode": "thread-deferred"}  # noqa: RUF012


class LookingAtAll(Optioned):
    options = {"tracking": "all", "fidelity": "paper", "mode": "fork"}  # noqa: RUF012


def _machine(subject: Callable[[Path], PodSubject]) -> type[VersionsMachine]:
    return type("Of", (VersionsMachine,), {"make": subject})


@pytest.mark.timeout(600)
def test_b1_the_published_form_is_found_out() -> None:
    with pytest.raises(AssertionError, match=r"version \d+"):
        run_state_machine_as_test(_machine(Published), settings=_SETTINGS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("subject", [Checked, LookingAtAll])
def test_ours_is_right_when_cells_are_checked_and_the_published_form_when_all_is_looked_at(
    subject: type[Optioned],
) -> None:
    machine = _machine(subject)
    run_state_machine_as_test(machine, settings=settings(_SETTINGS, max_examples=30))
    assert machine.compared > 100
