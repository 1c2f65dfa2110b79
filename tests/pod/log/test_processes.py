"""Several processes on one log, on a real disk."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Barrier, Thread

import pytest

from pod.errors import StoreBusy
from pod.io import OS
from pod.log import Log
from tests.pod.log.steps import KEY, collect, commit, content, digest_of, observed

SPAWN = multiprocessing.get_context("spawn")
COMMITS = 15


def open_store(folder: Path, timeout_s: float = 60.0) -> Log:
    return Log.open(folder, io=OS, key=KEY, timeout_s=timeout_s)


def _commit_many(folder: Path, who: int) -> None:
    log = open_store(folder)
    for number in range(COMMITS):
        commit(log, [content(who * 1000 + number, 2000), b"common"])
    log.close()


def _hold(folder: Path, connection: Connection) -> None:
    with open_store(folder).begin() as transaction:
        transaction.put(digest_of(b"x" * 2_000_000), [b"x" * 2_000_000])
        connection.send("held")
        connection.recv()


def test_two_processes_both_win(tmp_path: Path) -> None:
    workers = [SPAWN.Process(target=_commit_many, args=(tmp_path / "store", who)) for who in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    log = open_store(tmp_path / "store")
    state = observed(log)
    assert list(state.versions) == list(range(1, 2 * COMMITS + 1))
    found = sorted(contents[0] for contents in state.versions.values())
    assert found == sorted(content(who * 1000 + number, 2000) for who in (1, 2) for number in range(COMMITS))
    assert log.verify() == []


def test_a_log_that_is_being_written_is_busy_but_can_be_read(tmp_path: Path) -> None:
    log = open_store(tmp_path / "store", timeout_s=0.01)
    commit(log, [b"abc"])
    here, there = SPAWN.Pipe()
    worker = SPAWN.Process(target=_hold, args=(tmp_path / "store", there))
    worker.start()
    assert here.recv() == "held"
    with pytest.raises(StoreBusy, match=r"another process has been writing for 0\.01 s; try again"):
        log.begin()
    assert observed(log).versions == {1: (b"abc",)}
    assert log.verify() == []
    here.send("done")
    worker.join()
    assert worker.exitcode == 0
    assert commit(log, [b"def"]) == 2


def test_a_killed_writer_leaves_nothing_and_frees_the_lock(tmp_path: Path) -> None:
    log = open_store(tmp_path / "store")
    commit(log, [b"abc"])
    here, there = SPAWN.Pipe()
    worker = SPAWN.Process(target=_hold, args=(tmp_path / "store", there))
    worker.start()
    assert here.recv() == "held"
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    size = log.stats().log_bytes
    assert (tmp_path / "store" / "00000001.pods").stat().st_size > size
    assert commit(log, [b"def"]) == 2
    assert observed(log).versions == {1: (b"abc",), 2: (b"def",)}
    assert log.verify() == []
    assert (tmp_path / "store" / "00000001.pods").stat().st_size == log.stats().log_bytes


def test_both_sides_of_a_fork_see_each_other(tmp_path: Path) -> None:
    log = open_store(tmp_path / "store")
    commit(log, [b"before"])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if commit(log, [b"child"]) == 2 else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert log.head() == 2
    assert commit(log, [b"after"]) == 3
    assert list(observed(log).versions.values()) == [(b"before",), (b"child",), (b"after",)]


def test_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    log = open_store(tmp_path / "store")
    barrier = Barrier(4)
    tids: list[int] = []

    def work(who: int) -> None:
        barrier.wait()
        for number in range(10):
            tids.append(commit(log, [content(who * 100 + number, 100)]))
            log.head()

    threads = [Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tids) == list(range(1, 41))
    assert list(observed(log).versions) == list(range(1, 41))
    assert log.verify() == []


def test_a_reader_survives_a_collection_by_another(tmp_path: Path) -> None:
    reader, writer = open_store(tmp_path / "store"), open_store(tmp_path / "store")
    for number in range(3):
        commit(writer, [content(number, 5000)])
    assert reader.head() == 3
    collect(writer, [3])
    assert reader.read(digest_of(content(0, 5000))) == content(0, 5000)  # until it looks again
    assert list(observed(reader).versions) == [3]
    assert commit(reader, []) == 4
    assert writer.head() == 4
