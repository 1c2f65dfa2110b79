"""The state machine: a random session is saved, mutated, saved again; every version ever saved must load as it was."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from harness.oracle import Portrait, differences, portray
from tests.pod import workshop
from tests.pod.programs import NAMES, PREAMBLE, outside_statements, statements
from tests.pod.sessions import Step
from tests.pod.subjects import Saved, Subject

__all__ = ["VersionsMachine"]


@dataclass(frozen=True, slots=True)
class _Version:
    """What the session held when it was saved, which names were, and which of them the oracle can vouch for."""

    whole: Portrait
    names: frozenset[str]
    sure: frozenset[str]


_chunks = st.lists(statements(), min_size=1, max_size=8)
_names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)


class VersionsMachine(RuleBasedStateMachine):
    """Rules are what a user may do; what must hold is checked by `check` and, for all versions, at the end."""

    make: ClassVar[Callable[[Path], Subject]]
    compared: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        workshop.reset()
        self._folder = Path(tempfile.mkdtemp(prefix="versions-"))
        self._subject = type(self).make(self._folder / "store")
        self._versions: dict[int, _Version] = {}

    # -- the session ----------------------------------------------------------------------------------------------

    @initialize(first=st.lists(statements(), min_size=6, max_size=16))
    def begin(self, first: list[str]) -> None:
        self._run([PREAMBLE, *first])
        self._save(full=False)

    @rule(sources=_chunks, full=st.sampled_from([False, False, True]))
    def go_on(self, sources: list[str], full: bool) -> None:
        self._run(sources)
        self._save(full=full)

    @rule(sources=_chunks)
    def go_on_unsaved(self, sources: list[str]) -> None:
        self._run(sources)

    @rule(name=st.sampled_from(NAMES), sources=st.lists(outside_statements(), max_size=3))
    def hold(self, name: str, sources: list[str]) -> None:
        self._subject.session.do(Step("hold", name))
        self._outside(sources)

    @rule(sources=st.lists(outside_statements(), min_size=1, max_size=3))
    def outside(self, sources: list[str]) -> None:
        self._outside(sources)
        self._save(full=False)

    def _run(self, sources: list[str]) -> None:
        for source in sources:
            self._subject.session.do(Step("run", source))

    def _outside(self, sources: list[str]) -> None:
        for source in sources:
            self._subject.session.do(Step("outside", source))

    # -- the store ------------------------------------------------------------------------------------------------

    def _save(self, *, full: bool) -> None:
        saved = self._subject.save(full=full)
        self._remember(saved, portray(self._subject.session.namespace), None)

    @rule(sources=_chunks, names=_names)
    def save_some(self, sources: list[str], names: list[str]) -> None:
        self._run(sources)
        there = [name for name in names if name in self._subject.session.names()]
        saved = self._subject.save(there)
        self._remember(saved, portray(self._subject.session.namespace), there)

    @rule(sources=_chunks, meanwhile=_chunks)
    def save_async(self, sources: list[str], meanwhile: list[str]) -> None:
        self._run(sources)
        then = portray(self._subject.session.namespace)
        result = self._subject.save_async()
        self._run(meanwhile)
        self._remember(result(), then, None)

    @rule(data=st.data(), sources=_chunks)
    def resume(self, data: st.DataObject, sources: list[str]) -> None:
        self._subject.resume(data.draw(st.sampled_from(sorted(self._versions)), "tid"))
        self._run(sources)
        self._save(full=False)

    @rule()
    def reopen(self) -> None:
        self._subject.reopen()

    @rule(data=st.data(), names=_names)
    def check(self, data: st.DataObject, names: list[str]) -> None:
        tid = data.draw(st.sampled_from(sorted(self._versions)), "tid")
        self._check(tid, names, elsewhere=False)

    def teardown(self) -> None:
        try:
            for tid, version in self._versions.items():
                self._check(tid, None, elsewhere=False)
                self._check(tid, sorted(version.names & set(NAMES))[::2], elsewhere=True)
            for tid in sorted(self._versions)[-1:]:
                self._check(tid, None, elsewhere=True)
        finally:
            self._subject.close()
            shutil.rmtree(self._folder)
            workshop.reset()

    # -- what must hold -------------------------------------------------------------------------------------------

    def _remember(self, saved: Saved, whole: Portrait, names: list[str] | None) -> None:
        assert saved.tid not in self._versions, "a tid was given twice"
        assert saved.tid > max(self._versions, default=-1), "a tid went back"
        asked = whole.names if names is None else frozenset(names)
        must = {name for name in asked if not whole.reaches_opaque(name)}
        assert not must & saved.unsaved, f"could not be saved: {sorted(must & saved.unsaved)}"
        assert saved.unsaved <= asked
        self._versions[saved.tid] = _Version(whole, asked - saved.unsaved, frozenset(must))

    def _check(self, tid: int, names: list[str] | None, *, elsewhere: bool) -> None:
        version = self._versions[tid]
        chosen = None if names is None else sorted(version.names & set(names))
        wanted = version.names if chosen is None else frozenset(chosen)
        actual = self._subject.portrait(tid, chosen, elsewhere=elsewhere)
        assert actual.names == wanted, f"version {tid} holds {sorted(actual.names)}, not {sorted(wanted)}"
        type(self).compared += 1
        sure = wanted & version.sure
        found = differences(version.whole, actual.of(sure), sure)
        assert not found, f"version {tid}, names {chosen or 'all'}: " + "; ".join(found)
