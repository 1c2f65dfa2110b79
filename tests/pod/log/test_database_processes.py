"""Several processes on one log in a database."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from threading import Barrier, Thread

import psycopg
import pytest
import redis

from pod.errors import StoreBusy
from pod.log import Log
from tests.pod.log.servers import Server
from tests.pod.log.steps import KEY, collect, commit, content, digest_of, observed

SPAWN = multiprocessing.get_context("spawn")
COMMITS = 15
LOCK_S = 1.0
BIG = b"x" * 20_000_000


def open_store(url: str, timeout_s: float = 60.0) -> Log:
    """Open a log; a writer's lock in Redis is short, for those that are killed."""
    lock = f"&lock_s={LOCK_S}" if url.startswith("redis") else ""
    return Log.open(url + lock, key=KEY, timeout_s=timeout_s)


def _commit_many(url: str, who: int) -> None:
    with open_store(url) as log:
        for number in range(COMMITS):
            commit(log, [content(who * 1000 + number, 2000), b"common"])


def _hold(url: str, connection: Connection) -> None:
    with open_store(url).begin() as transaction:
        transaction.put(digest_of(BIG), [BIG])
        connection.send("held")
        connection.recv()


def test_two_processes_both_win(server: Server) -> None:
    url = server.store()
    workers = [SPAWN.Process(target=_commit_many, args=(url, who)) for who in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    with open_store(url) as log:
        state = observed(log)
        assert list(state.versions) == list(range(1, 2 * COMMITS + 1))
        found = sorted(contents[0] for contents in state.versions.values())
        assert found == sorted(
            content(who * 1000 + number, 2000) for who in (1, 2) for number in range(COMMITS)
        )
        assert log.verify() == []


def test_a_log_that_is_being_written_is_busy_but_can_be_read(server: Server) -> None:
    url = server.store()
    with open_store(url, timeout_s=0.01) as log:
        commit(log, [b"abc"])
        here, there = SPAWN.Pipe()
        worker = SPAWN.Process(target=_hold, args=(url, there))
        worker.start()
        assert here.recv() == "held"
        time.sleep(1.5 * LOCK_S)  # it is renewed
        with pytest.raises(StoreBusy, match=r"another process has been writing for 0\.01 s; try again"):
            log.begin()
        assert observed(log).versions == {1: (b"abc",)}
        assert log.verify() == []
        here.send("done")
        worker.join()
        assert worker.exitcode == 0
        assert commit(log, [b"def"]) == 2


def pieces_held(server: Server, url: str) -> int:
    """Count the rows of pieces that the server has, whoever put them there."""
    name = url.rpartition("store=")[2]
    if url.startswith("redis"):
        with redis.Redis.from_url(server.url) as client:
            keys = client.keys(f"{{pod:{name}}}:pieces:*")
            assert isinstance(keys, list)
            counts = [client.hlen(key.decode()) for key in keys]
            return sum(found for found in counts if isinstance(found, int))
    with psycopg.connect(server.url) as connection:
        found = connection.execute(f'SELECT count(*) FROM "{name}".pod_piece'.encode()).fetchone()
        assert found is not None
        return int(found[0])


def test_a_killed_writer_leaves_nothing_and_frees_the_lock(server: Server) -> None:
    url = server.store()
    with open_store(url) as log:
        commit(log, [b"abc"])
        here, there = SPAWN.Pipe()
        worker = SPAWN.Process(target=_hold, args=(url, there))
        worker.start()
        assert here.recv() == "held"
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        assert commit(log, [b"def"]) == 2
        assert observed(log).versions == {1: (b"abc",), 2: (b"def",)}
        assert log.verify() == []
        until = time.monotonic() + 30
        while pieces_held(server, url) > 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert pieces_held(server, url) == 2


def test_both_sides_of_a_fork_see_each_other(server: Server) -> None:
    with open_store(server.store()) as log:
        commit(log, [b"before"])
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if commit(log, [b"child"]) == 2 and len(observed(log).versions) == 2 else 1
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert log.head() == 2
        assert commit(log, [b"after"]) == 3
        assert list(observed(log).versions.values()) == [(b"before",), (b"child",), (b"after",)]


def test_a_child_that_ends_leaves_its_parents_transaction_alone(server: Server) -> None:
    with open_store(server.store()) as log:
        with log.begin() as transaction:
            transaction.put(digest_of(b"x" * 9_000_000), [b"x" * 9_000_000])
            child = os.fork()
            if child == 0:
                transaction.close()
                log.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert transaction.commit(b"record") == 1
        assert log.record(1) == b"record"
        assert log.verify() == []


def test_threads_of_one_process_take_turns(server: Server) -> None:
    with open_store(server.store()) as log:
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


def test_what_was_collected_by_another_is_not_called_damaged(server: Server) -> None:
    url = server.store()
    with open_store(url) as reader, open_store(url) as writer:
        for number in range(3):
            commit(writer, [content(number, 5000), b"common"])
        assert reader.head() == 3
        collect(writer, [3])
        assert reader.read(digest_of(b"common")) == b"common"
        with pytest.raises(StoreBusy, match="another process collected what was to be read; try again"):
            reader.read(digest_of(content(0, 5000)))
        with pytest.raises(StoreBusy, match="another process collected what was to be read; try again"):
            reader.record(1)
        assert list(observed(reader).versions) == [3]
        assert commit(reader, []) == 4
        assert writer.head() == 4
