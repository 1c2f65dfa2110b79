"""The backend of a folder, on a real disk and on one in memory."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

import pytest

from pod.errors import Corrupt, NotAStore, StoreReadOnly, StoreUnavailable
from pod.io import OS
from pod.log import ExportBackend, FileBackend
from tests.pod.log.disk import Disk, after_crash, fates
from tests.pod.log.steps import FOLDER, collect, commit, content, digest_of, observed, open_log, record_of
from tests.pod.log.suite import BackendSuite, Reopen, add


class TestOnARealDisk(BackendSuite):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        return lambda: FileBackend(tmp_path / "deep" / "store")


class TestInMemory(BackendSuite):
    @pytest.fixture
    def reopen(self) -> Reopen:
        disk = Disk()
        return lambda: FileBackend(FOLDER, io=disk)


class TestInMemoryWithSmallLimits(BackendSuite):
    @pytest.fixture
    def reopen(self, small_limits: None) -> Reopen:
        disk = Disk()
        return lambda: FileBackend(FOLDER, io=disk)


class Killed(BaseException):
    """The process ends here."""


def kill_a_collection(disk: Disk, call: str) -> None:
    """Keep version 2 alone; the process ends at such a call after the new log has its name."""
    log = open_log(disk)

    def die(kind: str, _: int) -> None:
        if kind == call and "00000002.pods" in disk.folders[PurePosixPath(FOLDER)]:
            raise Killed

    disk.fails = die
    with pytest.raises(Killed):
        collect(log, [2])
    disk.fails = lambda kind, number: None


@pytest.mark.parametrize("call", ["sync_folder", "delete"])
def test_a_collection_that_was_killed_is_seen_by_who_has_the_old_log_open(call: str) -> None:
    disk = Disk()
    writer = open_log(disk)
    reader = open_log(disk)
    for number in (1, 2):
        commit(writer, [content(number, 500)])
    kill_a_collection(disk, call)
    assert list(observed(reader).versions) == [2]
    assert commit(writer, [content(3, 500)]) == 3
    for log in (writer, reader, open_log(disk)):
        assert observed(log).versions == {2: (content(2, 500),), 3: (content(3, 500),)}
        assert log.verify() == []


@pytest.mark.parametrize("call", ["sync_folder", "delete"])
def test_a_power_failure_may_follow_a_collection_that_was_killed(call: str) -> None:
    disk = Disk()
    writer = open_log(disk)
    for number in (1, 2):
        commit(writer, [content(number, 500)])
    kill_a_collection(disk, call)
    begun = len(disk.journal)
    commit(writer, [content(3, 500)])
    for changes in range(begun, len(disk.journal) + 1):
        allowed = [[1, 2], [2], [2, 3]] if changes < len(disk.journal) else [[2, 3]]
        for seed in range(16):
            left = after_crash(disk.journal[:changes], fates(seed))
            found = open_log(left, create=False)
            assert list(observed(found).versions) in allowed
            assert found.verify() == []


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_only_the_user_may_read_a_store(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        backend = FileBackend(tmp_path / "a" / "store")
        add(backend, b"head", b"body", b"piece")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "store").stat().st_mode) == 0o700
    assert modes(tmp_path / "a" / "store") == {"00000001.pods": 0o600, "durable": 0o600, "lock": 0o600}


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o2707])
def test_a_folder_that_was_there_is_made_the_user_s_alone(mode: int, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(mode)
    FileBackend(tmp_path / "store")
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == mode & ~0o077


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(NotAStore, match=r"not a store, it holds thesis\.tex; choose an empty folder"):
        FileBackend(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotAStore, match="not a folder"):
        FileBackend(tmp_path / "file")


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    from blake3 import blake3

    header = b"pod-log\n" + (2).to_bytes(4, "little") + bytes(4) + (1).to_bytes(8, "little")
    (tmp_path / "00000001.pods").write_bytes(header + blake3(header).digest(8))
    with pytest.raises(NotAStore, match=r"written by a newer pod \(format 2\); this one reads 1"):
        FileBackend(tmp_path)


def test_what_a_crash_left_is_cleared_away(tmp_path: Path) -> None:
    add(FileBackend(tmp_path), b"head", b"body", b"piece")
    (tmp_path / "00000002.pods.unfinished").write_bytes(b"half a collection")
    log = tmp_path / "00000001.pods"
    size = log.stat().st_size
    with log.open("ab") as file:
        file.write(b"half a save")
    backend = FileBackend(tmp_path)
    assert backend.verify() == []
    token = object()
    backend.begin(token, 0.0)
    backend.roll_back(token)
    assert log.stat().st_size == size
    assert sorted(modes(tmp_path)) == ["00000001.pods", "durable", "lock"]


def test_a_commit_syncs_once() -> None:
    disk = Disk()
    log = open_log(disk)
    commit(log, [content(1, 100)])
    begun = len(disk.journal)
    commit(log, [content(2, 100_000), content(3, 10)])
    kinds = [change.kind for change in disk.journal[begun:]]
    assert kinds.count("sync") == 1
    assert kinds.count("sync_folder") == 0


def test_a_commit_without_pieces_is_small() -> None:
    disk = Disk()
    log = open_log(disk)
    commit(log, [content(1, 100_000)])
    begun = len(disk.journal)
    with log.begin() as transaction:
        transaction.put(digest_of(content(1, 100_000)), [content(1, 100_000)])
        transaction.commit(b"r" * 100)
    written = sum(len(change.data) for change in disk.journal[begun:] if change.kind == "write")
    assert transaction.bytes_written == written
    assert written < 600


def test_the_bytes_written_are_counted() -> None:
    disk = Disk()
    log = open_log(disk)
    for sizes in ([], [10], [100, 50_000], [2_000_000]):
        begun = len(disk.journal)
        contents = [content(size, size) for size in sizes]
        with log.begin() as transaction:
            for each in contents:
                transaction.put(digest_of(each), [each])
            transaction.commit(record_of(contents))
        written = sum(len(change.data) for change in disk.journal[begun:] if change.kind == "write")
        assert transaction.bytes_written == written


def test_an_index_spares_the_walk() -> None:
    disk = Disk()
    log = open_log(disk)
    for number in range(300):
        commit(log, [content(number, 50)])
    state = observed(log)
    log.settle()
    assert log.stats().index_bytes > 0
    assert log.stats().log_bytes == len(disk.content(FOLDER / "00000001.pods"))
    begun = disk.calls
    again = open_log(disk)
    assert disk.calls - begun < 15
    assert observed(again) == state


def test_a_damaged_index_is_made_anew(small_limits: None) -> None:
    disk = Disk()
    log = open_log(disk)
    for number in range(20):
        commit(log, [content(number, 50)])
    state = observed(log)
    log.settle()
    disk.content(FOLDER / "index")[200] ^= 1
    again = open_log(disk)
    assert observed(again) == state
    assert [damage.path for damage in again.verify()] == [str(FOLDER / "index")]
    commit(again, [content(99, 10)])
    again.settle()
    assert again.verify() == []


def test_an_exported_file_cannot_be_written(tmp_path: Path) -> None:
    log = open_log(OS, folder=tmp_path / "store")
    tid = commit(log, [b"abc"])
    log.export(tmp_path / "one", log.record(tid), [digest_of(b"abc")])
    backend = ExportBackend(tmp_path / "one", io=OS)
    assert backend.read(digest_of(b"abc")) == b"abc"
    for write in (
        lambda: backend.begin(object(), 0.0),
        lambda: backend.append([(digest_of(b"x"), [b"x"])]),
        lambda: backend.commit(b"", b""),
        lambda: backend.keep([], []),
    ):
        with pytest.raises(StoreReadOnly, match="an exported version cannot be changed"):
            write()
    backend.refresh()
    backend.roll_back(object())
    backend.close()


def test_a_hint_that_is_just_being_written_does_no_harm() -> None:
    disk = Disk()
    commit(open_log(disk), [b"abc"])
    hint = disk.content(FOLDER / "durable")
    whole = bytes(hint)
    with open_log(disk).begin() as transaction:
        transaction.put(digest_of(content(1, 3_000_000)), [content(1, 3_000_000)])
        hint[20:] = bytes(44)
        reader = open_log(disk)
        assert observed(reader).versions == {1: (b"abc",)}
        hint[:] = whole
    assert reader.verify() == []
    assert commit(reader, [b"def"]) == 2


def test_a_store_without_its_hint_must_be_whole() -> None:
    disk = Disk()
    log = open_log(disk)
    for number in range(3):
        commit(log, [content(number, 600)])
    disk.delete(FOLDER / "durable")
    again = open_log(disk)
    assert len(observed(again).versions) == 3
    disk.content(FOLDER / "00000001.pods")[32] ^= 1  # the header of the first piece
    damaged = open_log(disk)
    size = len(disk.content(FOLDER / "00000001.pods"))
    with pytest.raises(Corrupt, match="nothing can be saved here"):
        damaged.begin()
    with pytest.raises(Corrupt, match="version 2 is not among what can be read; run: pod verify"):
        damaged.record(2)
    assert [damage.offset for damage in damaged.verify()] == [32]
    assert len(disk.content(FOLDER / "00000001.pods")) == size


def test_a_closed_log_cannot_be_used(tmp_path: Path) -> None:
    log = open_log(OS, folder=tmp_path / "store")
    commit(log, [b"abc"])
    log.close()
    log.close()
    for use in (log.head, log.begin, lambda: log.read(digest_of(b"abc"))):
        with pytest.raises(StoreUnavailable, match="Bad file descriptor"):
            use()
