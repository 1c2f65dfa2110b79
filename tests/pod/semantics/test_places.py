"""What pod promises of stores in databases and in memory. In full in tests/pod/log and tests/pod/test_places.py."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest
import redis

import pod
from tests.pod.log.servers import PASSWORD, QUOTED, Server, postgres_server, redis_server
from tests.pod.notebook import Notebook, run_python
from tests.pod.semantics.promises import promise, variables

Start = Callable[[], AbstractContextManager[Server]]

SERVERS = [
    pytest.param(postgres_server, marks=pytest.mark.postgres, id="postgres"),
    pytest.param(redis_server, marks=pytest.mark.redis, id="redis"),
]
_SAVE_AND_DIE = (
    "import os, signal, sys, pod\nns = pod.new_managed_namespace()\nexec('a = [1]; b = [a]', ns)\n"
    "pod.open(sys.argv[1]).save(ns)\nos.kill(os.getpid(), signal.SIGKILL)"
)
_DIE_WITHIN_A_SAVE = """
import os, signal, sys, pod
class Deadly:
    def __reduce__(self): os.kill(os.getpid(), int(sys.argv[2]))
ns = pod.new_managed_namespace()
exec("import numpy as np; a = np.random.default_rng(1).random(3_000_000)", ns)
ns["b"] = Deadly()
pod.open(sys.argv[1]).save(ns)
"""


def _check_a_life(url: str) -> None:
    with Notebook(url) as notebook:  # type: ignore[arg-type]
        notebook.run("a = [1]; b = [a, 'x' * 100_000]", "a.append(2)", "c = b[1] + 'y'")
        notebook.store.gc(keep=2)
        notebook.check([2, 3])
        assert notebook.store.verify() == []


@promise(55)
def test_a_url_says_where_a_store_is(tmp_path: Path, server: Server) -> None:
    for url in (f"file://{tmp_path}/store", f"memory://{tmp_path}", server.store(), server.store()):
        _check_a_life(url)


@promise(56)
@pytest.mark.postgres
def test_a_save_in_postgresql_is_durable() -> None:
    lazy = ("-c", "synchronous_commit=off", "-c", "wal_writer_delay=10s")
    with postgres_server(*lazy) as server:
        url = server.store()
        run_python(_SAVE_AND_DIE, url, check=False)
        server.kill()
        server.start()
        with pod.open(url, create=False) as store:
            assert variables(store.load(1)) == {"a": [1], "b": [[1]]}
    with (
        postgres_server("-c", "fsync=off") as server,
        pytest.warns(pod.NotDurableWarning, match="fsync is off"),
    ):
        pod.open(server.store()).close()


@promise(57)
@pytest.mark.redis
def test_a_save_in_redis_is_as_durable_as_the_server() -> None:
    with redis_server() as server:
        url = server.store()
        run_python(_SAVE_AND_DIE, url, check=False)
        server.kill()
        server.start()
        with pod.open(url, create=False) as store:
            assert variables(store.load(1)) == {"a": [1], "b": [[1]]}
    remedy = "set appendonly yes and appendfsync always in redis.conf"
    with redis_server(durable=False) as server, pytest.warns(pod.NotDurableWarning, match=remedy):
        pod.open(server.store()).close()


@promise(58)
def test_what_a_killed_process_sent_goes_by_itself(server: Server) -> None:
    url = server.store() + ("&lock_s=1" if server.url.startswith("redis") else "")
    with pod.open(url) as store:
        run_python(_DIE_WITHIN_A_SAVE, url, signal.SIGKILL.value, check=False)
        assert store.log() == []
        assert int(store.save({"a": 1})) == 1
    until = time.monotonic() + 30
    while not _is_small(server, url) and time.monotonic() < until:
        time.sleep(0.05)
    assert _is_small(server, url)


def _is_small(server: Server, url: str) -> bool:
    """Whether the server has pieces of a small version only, looking past pod."""
    name = url.partition("store=")[2].partition("&")[0]
    if server.url.startswith("redis"):
        with redis.Redis.from_url(server.url) as client:
            held = client.keys(f"{{pod:{name}}}:pieces:*")
            return isinstance(held, list) and len(held) == 1
    with psycopg.connect(server.url) as connection:
        query = f"SELECT sum(length(data)) < 10000 FROM {name}.pod_piece"
        return connection.execute(query.encode()).fetchone() == (True,)


@promise(59)
@pytest.mark.redis
def test_a_process_that_lost_its_lock_cannot_finish(redis_: Server) -> None:
    url = redis_.store() + "&lock_s=0.5"
    source = """
import os, signal, subprocess, sys, pod
waker = "import os, signal, sys, time; time.sleep(2); os.kill(int(sys.argv[1]), signal.SIGCONT)"
class Stopping:
    def __reduce__(self):
        subprocess.Popen([sys.executable, "-c", waker, str(os.getpid())])
        os.kill(os.getpid(), signal.SIGSTOP)
        return str, ("x",)
store = pod.open(sys.argv[1])
try: store.save({"a": Stopping()})
except pod.StoreBusy as error: print("busy", len(store.log()))
"""
    assert run_python(source, url).stdout == "busy 0\n"


@promise(60)
@pytest.mark.parametrize("start", SERVERS)
def test_after_a_lost_connection_pod_connects_anew(start: Start) -> None:
    with start() as server, Notebook(server.store()) as notebook:  # type: ignore[arg-type]
        notebook.cell("a = [1]; b = [a]")
        notebook.save()
        notebook.cell("a.append(2); c = b * 3")
        server.stop()
        with pytest.raises(pod.StoreUnavailable, match="pod connects anew"):
            notebook.store.save(notebook.ns)
        server.start()
        notebook.save()
        notebook.check()


@promise(61)
def test_a_store_in_memory_ends_with_its_process(tmp_path: Path) -> None:
    url = f"memory://{tmp_path}/ends"
    with pod.open(url) as store:
        store.save({"a": 1})
        ns = pod.new_managed_namespace({"a": [2]})
        assert store.load(store.save_async(ns))["a"] == [2]
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert store.load(1)["a"] == 1
                store.save({"a": 3})
            except pod.StoreUnavailable:
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    with pod.open(url) as store:
        assert len(store.log()) == 2
    source = "import sys, pod\ntry: pod.open(sys.argv[1], create=False)\nexcept pod.NotAStore: print('none')"
    assert run_python(source, url).stdout == "none\n"


@promise(62)
def test_passwords_are_never_shown(server: Server) -> None:
    url = server.store()
    with pod.open(url) as store:
        with pytest.raises(pod.NoSuchVersion) as raised:
            store.load(7)
        shown = [str(store.path), repr(store), str(raised.value), repr(store._log.backend)]
    with pytest.raises(pod.StoreUnavailable) as refused:
        pod.open(url.replace(QUOTED, QUOTED + "wrong"))
    shown += [str(refused.value), repr(refused.value), str(refused.value.__cause__)]
    assert [text for text in shown if PASSWORD in text or QUOTED in text] == []


class Collecting:
    """Runs something when it was loaded."""

    meanwhile: ClassVar[Callable[[], object]]

    def __init__(self, seed: int, size_bytes: int) -> None:
        self.data = random.Random(seed).randbytes(size_bytes)

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        Collecting.meanwhile()


@promise(63)
def test_a_version_that_another_collects_is_not_called_damaged(server: Server) -> None:
    url = server.store()
    with pod.open(url) as reader, pod.open(url) as other:
        for number in range(3):
            other.save({"a": [number] * 3, "b": str(number) * 200_000})
        assert len(reader.log()) == 3
        digests = list(reader._log.digests())
        other.gc(keep=1)
        with pytest.raises(pod.StoreBusy, match="another process collected"):
            [reader._log.read(digest) for digest in digests]
        with pytest.raises(pod.NoSuchVersion):
            reader.load(1)
        assert reader.load(3)["a"] == [2] * 3
        assert reader.verify() == []


@promise(63)
@pytest.mark.parametrize("noticed", [False, True])
@pytest.mark.parametrize("size_bytes", [60_000, 3_000_000])
def test_a_load_that_another_collects_from_is_busy(server: Server, *, noticed: bool, size_bytes: int) -> None:
    url = server.store()
    with pod.open(url) as reader, pod.open(url) as other:
        space = {f"a{number}": Collecting(number, size_bytes) for number in range(5)}
        first = int(other.save(space))
        other.save({})
        reader.log()

        def collect() -> None:
            other.gc(keep=1)
            if noticed:
                reader._log.backend.refresh()  # as a save in a thread does

        Collecting.meanwhile = collect
        with pytest.raises(pod.StoreBusy, match="another process collected what was to be read; try again"):
            reader.load(first)
