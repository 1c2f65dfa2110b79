"""The log against a dict: two processes that commit, drop, refer, collect, reopen, crash and find the disk full."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pod.errors import InvalidArgument, NoSuchVersion, StoreBusy, StoreFull
from pod.log import Log, _file, _writer
from tests.pod.log.disk import Disk, Image, after_crash, fates
from tests.pod.log.servers import Server
from tests.pod.log.steps import KEY, State, collect, commit, content, digest_of, observed, open_log

CONTENTS = st.lists(
    st.builds(content, st.integers(0, 5), st.sampled_from([0, 1, 100, 1500, 9000, 70_000])), max_size=4
)
REFS = st.dictionaries(st.sampled_from(["branch/main", "tag/a", "tag/ü"]), st.booleans(), max_size=2)
WHO = st.integers(0, 1)


@pytest.fixture(autouse=True, scope="module")
def _small_limits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_file, "_UNINDEXED_CLOSED", 2)
        patch.setattr(_file, "_UNINDEXED_RUNNING", 12)
        patch.setattr(_writer, "UNSYNCED_BYTES", 8192)
        patch.setattr(_writer, "_BUFFER_BYTES", 2048)
        yield


class LogMachine(RuleBasedStateMachine):
    """Two logs of one store, as two processes would have."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = [self.opened(), self.opened()]
        self.state = State()
        self.used = 0

    def opened(self) -> Log:
        raise NotImplementedError

    def refs_of(self, chosen: dict[str, bool], tid: int | None) -> dict[str, int | None]:
        return {name: tid if kept else None for name, kept in chosen.items()}

    @rule(who=WHO, contents=CONTENTS, chosen=REFS)
    def commit(self, who: int, contents: list[bytes], chosen: dict[str, bool]) -> None:
        expected = self.used + 1
        refs = self.refs_of(chosen, expected)
        assert commit(self.logs[who], contents, refs) == expected
        self.used = expected
        self.state = self.state.with_version(expected, contents, refs)

    @rule(who=WHO, contents=CONTENTS)
    def drop(self, who: int, contents: list[bytes]) -> None:
        log = self.logs[who]
        with log.begin() as transaction:
            for each in contents:
                new = transaction.put(digest_of(each), [each])
                assert new is (digest_of(each) not in log) or not new
            with pytest.raises(StoreBusy, match="has been writing"):
                self.logs[1 - who].begin()

    @rule(who=WHO, chosen=REFS, data=st.data())
    def refer(self, who: int, chosen: dict[str, bool], data: st.DataObject) -> None:
        tids = sorted(self.state.versions)
        refs = self.refs_of(chosen, data.draw(st.sampled_from(tids)) if tids else None)
        self.logs[who].set_refs(refs)
        self.state = self.state.with_refs(refs)

    @rule(who=WHO)
    def refer_to_nothing(self, who: int) -> None:
        with pytest.raises(InvalidArgument, match="there is no version"):
            self.logs[who].set_refs({"tag/none": self.used + 7})

    @rule(who=WHO, data=st.data())
    def collect(self, who: int, data: st.DataObject) -> None:
        tids = sorted(self.state.versions)
        kept = data.draw(st.sets(st.sampled_from(tids))) if tids else set()
        self.logs[who].refresh()
        collect(self.logs[who], kept)
        self.state = self.state.keeping(kept)
        assert set(self.logs[who].digests()) == {
            digest_of(each) for contents in self.state.versions.values() for each in contents
        } or len(kept) == len(tids)

    @rule(who=WHO)
    def reopen(self, who: int) -> None:
        self.logs[who].close()
        self.logs[who] = self.opened()

    @rule(who=WHO)
    def ask_for_nothing(self, who: int) -> None:
        with pytest.raises(NoSuchVersion, match=f"there is no version {self.used + 1}"):
            self.logs[who].record(self.used + 1)

    @invariant()
    def both_hold_what_the_dict_holds(self) -> None:
        for log in self.logs:
            assert observed(log) == self.state

    def teardown(self) -> None:
        assert [log.verify() for log in self.logs] == [[], []]


class DiskMachine(LogMachine):
    """On a disk that can be full, and that a power failure can meet."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.image = Image.of(self.disk)
        super().__init__()

    def opened(self) -> Log:
        return open_log(self.disk)

    @rule(who=WHO, contents=CONTENTS, call=st.integers(1, 12))
    def find_the_disk_full(self, who: int, contents: list[bytes], call: int) -> None:
        seen = 0

        def full(kind: str, _: int) -> int | None:
            nonlocal seen
            seen += kind == "write"
            return errno.ENOSPC if kind == "write" and seen >= call else None

        self.disk.fails = full
        try:
            tid = commit(self.logs[who], contents)
        except StoreFull:
            pass
        else:
            assert tid == self.used + 1
            self.used = tid
            self.state = self.state.with_version(tid, contents, {})
        self.disk.fails = lambda kind, number: None

    @rule(seed=st.integers(0, 1000))
    def crash(self, seed: int) -> None:
        self.disk = after_crash(self.disk.journal, fates(seed), self.image)
        self.image = Image.of(self.disk)
        self.logs = [open_log(self.disk), open_log(self.disk)]


def on(server: Server) -> type[LogMachine]:
    """Return the machine whose store is in a database."""

    class ServerMachine(LogMachine):
        def __init__(self) -> None:
            self.url = server.store()
            super().__init__()

        def opened(self) -> Log:
            return Log.open(self.url, key=KEY, timeout_s=0.0)

        def teardown(self) -> None:
            super().teardown()
            for log in self.logs:
                log.close()

    return ServerMachine


class MemoryMachine(LogMachine):
    numbers = count()

    def __init__(self) -> None:
        self.name = f"memory://model {next(self.numbers)}"
        super().__init__()

    def opened(self) -> Log:
        return Log.open(self.name, key=KEY, timeout_s=0.0)


def check(machine: type[LogMachine], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )


def test_the_log_is_a_dict() -> None:
    check(DiskMachine, 100, 30)


def test_a_log_in_memory_is_a_dict() -> None:
    check(MemoryMachine, 50, 30)


@pytest.mark.postgres
def test_a_log_in_postgresql_is_a_dict(postgres: Server) -> None:
    check(on(postgres), 12, 20)


@pytest.mark.redis
def test_a_log_in_redis_is_a_dict(redis_: Server) -> None:
    check(on(redis_), 25, 20)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_log_is_a_dict_for_long() -> None:
    check(DiskMachine, 500, 60)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(3600)
def test_a_log_in_postgresql_is_a_dict_for_long(postgres: Server) -> None:
    check(on(postgres), 60, 30)


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.timeout(3600)
def test_a_log_in_redis_is_a_dict_for_long(redis_: Server) -> None:
    check(on(redis_), 100, 30)
