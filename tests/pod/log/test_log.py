"""The log: versions, refs, collections, exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod.errors import Corrupt, InvalidArgument, NoSuchVersion, NotAStore, StoreBusy, StoreReadOnly
from pod.io import OS
from pod.log import Log
from tests.pod.log.disk import Disk
from tests.pod.log.steps import (
    FOLDER,
    KEY,
    OTHER_KEY,
    State,
    collect,
    commit,
    content,
    digest_of,
    observed,
    open_log,
    record_of,
)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def log(disk: Disk) -> Log:
    return open_log(disk)


def test_a_new_log_is_empty(log: Log) -> None:
    assert observed(log) == State()
    assert log.path == FOLDER


def test_tids_go_on_after_reopening(log: Log, disk: Disk) -> None:
    assert [commit(log, []), commit(log, [])] == [1, 2]
    again = open_log(disk)
    with again.begin() as transaction:
        assert (transaction.tid, transaction.head) == (3, 2)
        assert transaction.commit(b"") == 3
    assert log.head() == 3


def test_tids_go_on_after_a_collection_of_the_newest(log: Log, disk: Disk) -> None:
    for _ in range(3):
        commit(log, [])
    collect(log, [1])
    assert log.head() == 1
    assert commit(open_log(disk), []) == 4


def test_a_collection_of_everything_leaves_a_log(log: Log, disk: Disk) -> None:
    commit(log, [b"abc"], {"tag/a": 1})
    report = log.gc(lambda: ({}, []))
    assert (report.versions, report.pieces) == (1, 1)
    assert report.freed_bytes == log_bytes_of_one_commit() - log.stats().log_bytes
    assert observed(log) == State()
    assert commit(open_log(disk), []) == 2


def log_bytes_of_one_commit() -> int:
    log = open_log(Disk())
    commit(log, [b"abc"], {"tag/a": 1})
    return log.stats().log_bytes


def test_a_collection_that_deletes_nothing_writes_nothing(log: Log, disk: Disk) -> None:
    commit(log, [b"abc"])
    written = len(disk.journal)
    report = log.gc(lambda: ({1: log.record(1)}, [digest_of(b"abc")]))
    assert (report.versions, report.pieces, report.freed_bytes) == (0, 0, 0)
    assert len(disk.journal) == written


def test_a_collection_may_change_records(log: Log, disk: Disk) -> None:
    for _ in range(2):
        commit(log, [b"abc"])
    log.gc(lambda: ({2: b"another"}, [digest_of(b"abc")]))
    assert open_log(disk).record(2) == b"another"
    with pytest.raises(NoSuchVersion, match="there is no version 1"):
        log.record(1)


def test_a_collection_refuses_what_is_not_there(log: Log) -> None:
    commit(log, [b"abc"])
    with pytest.raises(NoSuchVersion, match="there is no version 7"):
        log.gc(lambda: ({7: b""}, []))
    with pytest.raises(Corrupt, match="is missing"):
        log.gc(lambda: ({1: log.record(1)}, [digest_of(b"never seen")]))
    assert observed(log).versions == {1: (b"abc",)}


def test_a_collection_is_planned_when_nobody_can_commit_any_more(log: Log, disk: Disk) -> None:
    commit(log, [b"abc"])
    other = open_log(disk)
    commit(other, [b"def"])

    def plan() -> tuple[dict[int, bytes], list[bytes]]:
        with pytest.raises(StoreBusy):
            other.begin()
        assert log.tids() == [1, 2]
        return {2: log.record(2)}, [digest_of(b"def")]

    log.gc(plan)
    assert observed(other) == State({2: (b"def",)})


def test_a_collection_refuses_to_copy_damage(log: Log, disk: Disk) -> None:
    for each in (b"abc", b"def"):
        commit(log, [each])
    disk.content(FOLDER / "00000001.pods")[32 + 48] ^= 1
    with pytest.raises(Corrupt, match="is damaged"):
        log.gc(lambda: ({1: log.record(1)}, [digest_of(b"abc")]))
    assert sorted(path.name for path in disk.files()) == ["00000001.pods", "durable", "lock"]
    assert log.tids() == [1, 2]


def test_a_collection_tells_how_far_it_is(log: Log) -> None:
    for number in range(3):
        commit(log, [content(number, 1000)])
    told: list[tuple[int, int]] = []
    digests = [digest_of(content(number, 1000)) for number in (0, 2)]
    log.gc(
        lambda: ({1: log.record(1), 3: log.record(3)}, digests),
        lambda done, total: told.append((done, total)),
    )
    assert told == [(1000, 2000), (2000, 2000)]


def test_a_piece_is_written_once(log: Log, disk: Disk) -> None:
    piece = digest_of(b"abc")
    with log.begin() as transaction:
        assert transaction.put(piece, [b"abc"])
        assert not transaction.put(piece, [b"abc"])
        transaction.commit(b"")
    with open_log(disk).begin() as transaction:
        assert not transaction.put(piece, [b"abc"])


def test_what_is_left_without_a_commit_is_dropped(log: Log) -> None:
    def fail() -> None:
        with log.begin() as transaction:
            transaction.put(digest_of(b"abc"), [b"abc"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert digest_of(b"abc") not in log
    assert commit(log, [b"abc"]) == 1


def test_a_second_transaction_waits_in_vain(log: Log) -> None:
    with log.begin(), pytest.raises(StoreBusy, match="another process has been writing for 0 s; try again"):
        log.begin()
    assert commit(log, []) == 1


def test_a_transaction_that_nobody_holds_any_more_lets_others_in(log: Log, disk: Disk) -> None:
    log.begin()
    assert commit(open_log(disk), [b"abc"]) == 1
    assert commit(log, [b"def"]) == 2


def test_refs_change_with_a_version(log: Log, disk: Disk) -> None:
    commit(log, [], {"branch/main": 1, "tag/ü": 1})
    commit(log, [], {"branch/main": 2, "tag/ü": None})
    assert open_log(disk).refs() == {"branch/main": 2}
    log.set_refs({"branch/old": 1, "branch/main": None})
    assert open_log(disk).refs() == log.refs() == {"branch/old": 1}


@pytest.mark.parametrize(("refs", "message"), [({"": 1}, "a ref needs a name"), ({"x": 5}, "no version 5")])
def test_refs_lead_to_versions(log: Log, refs: dict[str, int | None], message: str) -> None:
    commit(log, [])
    with pytest.raises(InvalidArgument, match=message):
        log.set_refs(refs)
    assert log.refs() == {}
    assert commit(log, []) == 2


def test_pieces_are_joined_in_a_new_buffer_or_a_given_one(log: Log) -> None:
    contents = [content(number, 2_500_000) for number in range(2)] + [b""]
    commit(log, contents)
    digests = [digest_of(each) for each in contents]
    whole = log.read_joined(digests)
    assert not whole.readonly
    assert whole == b"".join(contents)
    into = bytearray(5_000_000)
    log.read_joined(digests, memoryview(into))
    assert into == b"".join(contents)
    with pytest.raises(ValueError, match="the pieces have 5000000 bytes, the buffer 7"):
        log.read_joined(digests, memoryview(bytearray(7)))


def test_damaged_pieces_are_not_joined(log: Log, disk: Disk) -> None:
    commit(log, [content(1, 3000)])
    disk.content(FOLDER / "00000001.pods")[32 + 48 + 1000] ^= 1
    with pytest.raises(Corrupt, match="is damaged; run: pod verify"):
        log.read_joined([digest_of(content(1, 3000))])


def test_a_missing_piece_is_an_error(log: Log) -> None:
    assert digest_of(b"x") not in log
    for read in (log.read, log.size):
        with pytest.raises(Corrupt, match="is missing; run: pod verify"):
            read(digest_of(b"x"))


def test_an_export_holds_one_version(log: Log, tmp_path: Path) -> None:
    contents = [content(1, 100), content(2, 80_000)]
    commit(log, [b"another"])
    commit(log, contents)
    target = tmp_path / "two.pod"
    size = log.export(target, log.record(2), [digest_of(each) for each in (*contents, *contents)])
    assert target.stat().st_size == size
    exported = Log.open_export(target, key=KEY)
    assert observed(exported) == State({1: tuple(contents)})
    assert set(exported.digests()) == {digest_of(each) for each in contents}
    assert exported.verify() == []
    with pytest.raises(StoreReadOnly, match="an exported version cannot be changed; import it into a store"):
        exported.begin()
    assert [path.name for path in tmp_path.iterdir()] == ["two.pod"]


def test_an_export_that_fails_leaves_nothing(log: Log, tmp_path: Path) -> None:
    commit(log, [b"abc"])
    with pytest.raises(Corrupt):
        log.export(tmp_path / "x", b"", [digest_of(b"abc"), digest_of(b"never seen")])
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    with pytest.raises(NotAStore, match="not a log of pod"):
        Log.open_export(tmp_path / "x", key=KEY)


def test_another_users_export_needs_trust(log: Log, tmp_path: Path) -> None:
    commit(log, [b"abc"])
    log.export(tmp_path / "x", log.record(1), [digest_of(b"abc")])
    from pod.errors import Untrusted

    with pytest.raises(Untrusted, match=rf"run: pod import --trust {tmp_path}/x"):
        Log.open_export(tmp_path / "x", key=OTHER_KEY)
    exported = Log.open_export(tmp_path / "x", key=OTHER_KEY, trust=True)
    assert observed(exported) == State({1: (b"abc",)})


def test_stats_tell_how_much_there_is(log: Log, disk: Disk) -> None:
    commit(log, [b"abc", b"def"])
    commit(log, [b"abc"])
    stats = log.stats()
    assert (stats.versions, stats.pieces, stats.generation, stats.index_bytes) == (2, 2, 1, 0)
    assert stats.log_bytes == len(disk.content(FOLDER / "00000001.pods"))


def test_the_same_saves_give_the_same_bytes() -> None:
    disks = []
    for _ in range(2):
        disk = Disk()
        log = open_log(disk)
        commit(log, [b"abc", content(1, 100_000)], {"b": 1, "a": 1})
        commit(log, [b"def"])
        log.settle()
        disks.append({str(path): bytes(inode.data) for path, inode in disk.files().items()})
    assert disks[0] == disks[1]


def test_a_log_is_a_context_manager(tmp_path: Path) -> None:
    with open_log(OS, folder=tmp_path / "store") as log:
        assert commit(log, [b"x"]) == 1
    assert record_of([b"x"]) == open_log(OS, folder=tmp_path / "store").record(1)
