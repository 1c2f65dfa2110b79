"""Random sessions that go on while a thread encodes: every version is the state at its call."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

import pod
from harness.oracle import portray
from pod.store import _guard
from pod.tracking import Gate
from tests.pod import workshop
from tests.pod.machine import VersionsMachine
from tests.pod.notebook import Notebook
from tests.pod.programs import NAMES, outside_statements, statements
from tests.pod.sessions import Step
from tests.pod.stopping import Slow
from tests.pod.subjects import PodSubject

_SETTINGS = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
_chunks = st.lists(statements(), min_size=1, max_size=6)


class Deferred(PodSubject):
    """A store whose saves are encoded by a thread."""

    options: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reopen()

    def reopen(self) -> None:
        self._store.close()
        self._store = pod.open(self._folder, podding=Slow(), mode="thread-deferred", **self.options)


class EveryName(Deferred):
    options = {"lock": "all"}  # noqa: RUF012


_PLAIN: Final = """
{a} = []
{a} = [{i}, 'x', [{i}]]
{a} = [{b}, {c}]
{a} = {b}
{a} = ({b}, [{i}])
{a} = {{'k': {b}, 'l': [{i}]}}
{a} = {{'k': {{'k': {c}}}}}
{a} = np.arange(600.)
{a} = np.zeros((20, 30))
{a} = {b}[2:]
{a} = {b}.reshape(-1)
{a} = bytearray(b'abc')
{a} = 'text {i}' * 100
{a} = {i}
{a} = pd.DataFrame({{'x': [1, 2, 3], 'y': ['a', 'b', 'c']}})
{a} = pd.Series([{i}, 2.5])
{a} = set([{i}, 'x'])
{a} = [[i] for i in range(200)]
{a} = workshop.Tool([{i}])
{a} = {a} = deque([{b}], 5)
{a}, {b} = {b}, {a}
{a}.append({b})
{a}.append({i})
{a}.clear()
{a}[0] = {b}
{a}[0].append({i})
{a}['k'] = {b}
{a}['k']['k'] = {i}
{a}[...] = {i}
{a} += 1
{a} += [{i}]
{a}.extend(b'xyz')
{a}.loc[0, 'x'] = {i}
{a}['z'] = {i}
{a}.add({i})
{a}.value = {b}
for _x in {a}: _x.append({i})
del {a}
globals().update({a}={b})
globals().pop('{a}').append({i})
"""


def plain_statements() -> st.SearchStrategy[str]:
    """Draw a statement over what may be encoded in a thread: containers, arrays, frames, instances of a module's class."""
    name = st.sampled_from(NAMES)
    templates = _PLAIN.strip().splitlines()
    return st.builds(
        lambda template, a, b, c, i: template.format(a=a, b=b, c=c, i=i),
        st.sampled_from(templates[:20] + templates),
        name,
        name,
        name,
        st.integers(0, 3),
    )


class Machine(VersionsMachine):
    """Somebody who holds an object changes it, too, while it is saved."""

    @rule(sources=_chunks, meanwhile=_chunks, outside=st.lists(outside_statements(), max_size=3))
    def save_while_a_stranger_goes_on(
        self, sources: list[str], meanwhile: list[str], outside: list[str]
    ) -> None:
        self._run(sources)
        then = portray(self._subject.session.namespace)
        result = self._subject.save_async()
        for source in outside:
            self._subject.session.do(Step("outside", source))
        self._run(meanwhile)
        self._remember(result(), then, None)


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


class _Plain:
    """One session of plain values, its store, and what its versions must hold."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.slow = Slow()
        self.notebook = Notebook(folder, podding=self.slow, mode="thread-deferred", **options)
        self.stranger: dict[str, Any] = {}

    def run(self, sources: list[str]) -> None:
        for source in sources:
            with contextlib.suppress(Exception):
                self.notebook.cell(source)

    def save(self, meanwhile: list[str], outside: list[str]) -> None:
        before = portray(self.notebook.ns)
        future = self.notebook.store.save_async(self.notebook.ns)
        for source in outside:
            with contextlib.suppress(Exception):
                exec(source, self.stranger)
        self.run(meanwhile)
        self.notebook.remember(future.result(60), before)

    def hold(self, name: str) -> None:
        self.stranger = {}
        if dict.__contains__(self.notebook.ns, name):
            self.stranger["h"] = dict.__getitem__(self.notebook.ns, name)


_plain = st.lists(plain_statements(), min_size=1, max_size=8)
_outside = st.lists(outside_statements(), max_size=3)


def _run_plain(
    folder: Path, counts: Counter[bool], examples: int, profile: settings = _SETTINGS, **options: Any
) -> None:
    @settings(profile, max_examples=examples)
    @given(
        st.lists(plain_statements(), min_size=4, max_size=12),
        st.lists(st.tuples(_plain, _plain, _outside, st.sampled_from([*NAMES, *[""] * 12])), max_size=5),
    )
    def run(first: list[str], saves: list[tuple[list[str], list[str], list[str], str]]) -> None:
        workshop.reset()
        with tempfile.TemporaryDirectory(dir=folder) as place:
            session = _Plain(Path(place) / "store", **options)
            with session.notebook as notebook:
                notebook.cell(
                    "import numpy as np, pandas as pd\nfrom collections import deque\nfrom tests.pod import workshop"
                )
                session.run(first)
                for sources, meanwhile, outside, held in saves:
                    session.run(sources)
                    if held:
                        session.hold(held)
                    session.slow.encoded = False
                    session.save(meanwhile, outside)
                    counts[session.slow.encoded] += 1
                session.notebook.save()
                notebook.check()
                assert notebook.store.verify() == []

    run()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lock", ["variable", "all"])
def test_plain_values_change_while_they_are_encoded(lock: str, tmp_path: Path) -> None:
    counts: Counter[bool] = Counter()
    _run_plain(tmp_path, counts, 60, lock=lock)
    assert counts[True] > counts[False]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_plain_values_change_in_many_sessions(tmp_path: Path) -> None:
    counts: Counter[bool] = Counter()
    _run_plain(tmp_path, counts, 1500)
    assert counts[True] > counts[False]


def _run(subject: type[Deferred], **options: Any) -> None:
    machine = type(f"Of{subject.__name__}", (Machine,), {"make": subject})
    run_state_machine_as_test(machine, settings=settings(_SETTINGS, **options))
    assert machine.compared > 100


@pytest.mark.timeout(600)
@pytest.mark.parametrize("subject", [Deferred, EveryName])
def test_every_version_is_the_state_at_its_call(subject: type[Deferred]) -> None:
    _run(subject, max_examples=40, stateful_step_count=10)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_version_of_long_sessions_is() -> None:
    _run(Deferred, max_examples=600, stateful_step_count=25)


def _keep_nobody(_namespace: pod.Namespace, _gate: Gate) -> None:
    """Close no gate."""


def _trust(_values: object, _held: object, _references: int) -> set[str]:
    return set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("where", "what", "instead"),
    [(pod.Namespace, "close_gate", _keep_nobody), (_guard, "unsafe", _trust)],
    ids=["nobody waits", "strangers are trusted"],
)
def test_a_store_that_is_wrong_is_found_out(
    where: object, what: str, instead: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, what, instead)
    with pytest.raises(AssertionError):
        _run_plain(tmp_path, Counter(), 200, settings(_SETTINGS, phases=[Phase.generate]))
