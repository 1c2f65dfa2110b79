"""Databases that stop, are full, refuse, lose what they had, or are not durable."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from threading import Thread

import psycopg
import pytest
import redis

from pod.errors import (
    Corrupt,
    NotAStore,
    NotDurableWarning,
    PodError,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    Untrusted,
)
from pod.log import Log, trust
from pod.log._catalogue import Catalogue, pack_contents
from pod.log._redis import RedisBackend
from pod.log._rows import PART_BYTES
from tests.pod.log.proxy import Proxy
from tests.pod.log.servers import PASSWORD, QUOTED, Server, postgres_server, redis_server
from tests.pod.log.steps import KEY, OTHER_KEY, collect, commit, content, digest_of, observed

BIG = b"x" * 9_000_000
Start = Callable[[], AbstractContextManager[Server]]


def open_log(url: str, timeout_s: float = 0.0) -> Log:
    return Log.open(url, key=KEY, timeout_s=timeout_s)


@pytest.fixture(
    params=[
        pytest.param(postgres_server, marks=pytest.mark.postgres, id="postgres"),
        pytest.param(redis_server, marks=pytest.mark.redis, id="redis"),
    ]
)
def own(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this test's own."""
    start: Start = request.param
    with start() as server:
        yield server


def name_of(url: str) -> str:
    return url.rpartition("store=")[2]


# --- servers that stop -----------------------------------------------------------------------------------


def test_a_server_that_stops_during_a_save_is_unavailable_and_the_next_save_works(own: Server) -> None:
    log = open_log(own.store())
    commit(log, [b"before"])

    def save() -> None:
        with log.begin() as transaction:
            transaction.put(digest_of(BIG), [BIG])
            own.stop()
            transaction.put(digest_of(BIG[:-1]), [BIG[:-1]])
            transaction.commit(b"record")

    with pytest.raises(StoreUnavailable) as raised:
        save()
    assert "see that the server runs and lets you in, then try again: pod connects anew" in str(raised.value)
    with pytest.raises(StoreUnavailable):
        log.head()
    with pytest.raises(StoreUnavailable):
        log.begin()
    own.start()
    assert observed(log).versions == {1: (b"before",)}
    assert commit(log, [b"after", BIG]) == 2
    assert observed(log).versions == {1: (b"before",), 2: (b"after", BIG)}
    assert log.verify() == []
    log.close()


def test_a_killed_server_has_what_was_committed(own: Server) -> None:
    log = open_log(own.store())
    for number in range(2):
        commit(log, [content(number, 10_000), BIG])
        own.kill()
        own.start()
    assert list(observed(log).versions) == [1, 2]
    assert log.verify() == []
    log.close()


def test_a_connection_that_was_lost_meanwhile_is_made_anew(own: Server) -> None:
    log = open_log(own.store())
    commit(log, [b"abc"])
    own.stop()
    own.start()
    assert commit(log, [b"def"]) == 2
    own.stop()
    own.start()
    assert log.read(digest_of(b"def")) == b"def"
    own.stop()
    own.start()
    assert observed(log).versions == {1: (b"abc",), 2: (b"def",)}
    log.close()


def _behind(server: Server) -> tuple[str, Proxy]:
    """Return a store's URL that leads through a proxy which loses the answer to a commit."""
    url = server.store()
    if url.startswith("redis"):
        port = int(url.rpartition(":")[2].partition("/")[0])
        proxy = Proxy(lambda: socket.create_connection(("127.0.0.1", port)), b"'replaced'")
        return url.replace(f":{port}/", f":{proxy.port}/"), proxy

    def connect() -> socket.socket:
        found = socket.socket(socket.AF_UNIX)
        found.connect(str(server.folder / ".s.PGSQL.5432"))
        return found

    proxy = Proxy(connect, b"COMMIT")
    return url.replace(f"host={server.folder}", f"host=127.0.0.1&port={proxy.port}"), proxy


def test_a_commit_whose_answer_was_lost_is_looked_up(server: Server) -> None:
    url, proxy = _behind(server)
    log = open_log(url)
    assert commit(log, [b"abc"]) == 1
    proxy.armed = True
    assert commit(log, [b"def", BIG]) == 2
    assert proxy.cuts == 1
    assert observed(log).versions == {1: (b"abc",), 2: (b"def", BIG)}
    assert commit(log, [b"ghi"]) == 3
    assert log.verify() == []
    log.close()
    proxy.close()


# --- locks that are given back ---------------------------------------------------------------------------


def _lock_in_redis(server: Server, url: str) -> object:
    with redis.Redis.from_url(server.url) as client:
        return client.get(f"{{pod:{name_of(url)}}}:lock")


@pytest.mark.redis
def test_an_interrupt_while_redis_sets_the_lock_leaves_none(
    redis_: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = redis_.store()
    log = open_log(url)
    set_lock = RedisBackend._set_lock

    def interrupted(backend: RedisBackend, token: bytes) -> bool:
        set_lock(backend, token)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RedisBackend, "_set_lock", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.begin()
    assert _lock_in_redis(redis_, url) is None
    assert commit(log, [b"abc"]) == 1
    log.close()


@pytest.mark.redis
def test_a_lock_that_no_thread_can_renew_is_given_back(
    redis_: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = redis_.store()
    log = open_log(url)

    def start(_thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", start)
        with pytest.raises(StoreUnavailable, match="can't start new thread"):
            log.begin()
    assert _lock_in_redis(redis_, url) is None
    assert commit(log, [b"abc"]) == 1
    log.close()


# --- servers that refuse ---------------------------------------------------------------------------------


@pytest.mark.postgres
def test_a_reader_of_postgresql_may_read_and_not_save(postgres: Server) -> None:
    url = postgres.store()
    with open_log(url) as log, psycopg.connect(postgres.url, autocommit=True) as owner:
        commit(log, [b"abc"])
        owner.execute(f"CREATE ROLE reader_{name_of(url)} LOGIN PASSWORD '{PASSWORD}'".encode())
        owner.execute(f"GRANT USAGE ON SCHEMA {name_of(url)} TO reader_{name_of(url)}".encode())
        owner.execute(
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {name_of(url)} TO reader_{name_of(url)}".encode()
        )
        with open_log(url.replace("pod:", f"reader_{name_of(url)}:", 1)) as reader:
            assert observed(reader).versions == {1: (b"abc",)}
            with pytest.raises(StoreReadOnly, match="it may not be written"):
                commit(reader, [b"def"])
            assert observed(reader).versions == {1: (b"abc",)}
        with pytest.raises(StoreReadOnly, match="permission denied"):
            open_log(url.replace("pod:", f"reader_{name_of(url)}:", 1).replace("store=", "store=other"))


@pytest.mark.postgres
def test_who_may_not_make_a_schema_in_postgresql_may_use_one_that_is_there(postgres: Server) -> None:
    url = postgres.store()
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        connection.execute(f"CREATE SCHEMA {name_of(url)} AUTHORIZATION guest".encode())
    theirs = url.replace("//pod:", "//guest:").replace(QUOTED, "guest")
    with open_log(theirs) as log:
        assert commit(log, [b"abc"]) == 1
    with pytest.raises(StoreReadOnly, match="permission denied"):
        open_log(theirs + "a")


@pytest.mark.redis
def test_a_reader_of_redis_may_read_and_not_save(redis_: Server) -> None:
    url = redis_.store()
    with open_log(url) as log, redis.Redis.from_url(redis_.url) as owner:
        commit(log, [b"abc"])
        owner.execute_command("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+@read", "+@connection", "+config", "+multi", "+exec")  # fmt: skip
        with open_log(url.replace("redis://", "redis://reader")) as reader:
            assert observed(reader).versions == {1: (b"abc",)}
            with pytest.raises(StoreReadOnly, match="it may not be written"):
                commit(reader, [b"def"])
        owner.execute_command("ACL", "SETUSER", "reader", "-config")
        with pytest.warns(NotDurableWarning, match="does not say whether it is durable"):
            open_log(url.replace("redis://", "redis://reader")).close()


@pytest.mark.redis
def test_a_full_redis_leaves_the_store_as_it_was() -> None:
    with redis_server("--maxmemory", "20mb") as server, open_log(server.store()) as log:
        commit(log, [b"abc"])
        for _ in range(2):
            with pytest.raises(StoreFull, match="give it more memory or disk"):
                commit(log, [content(seed, 1_000_000) for seed in range(30)])
            assert observed(log).versions == {1: (b"abc",)}
        assert commit(log, [b"def"]) == 2
        assert log.verify() == []


@pytest.mark.redis
def test_a_writer_that_lost_its_lock_cannot_commit(redis_: Server) -> None:
    url = redis_.store()
    lock = f"{{pod:{name_of(url)}}}:lock"
    with open_log(url) as log, open_log(url) as other, redis.Redis.from_url(redis_.url) as owner:

        def save(taken: bool) -> None:
            with log.begin() as transaction:
                transaction.put(digest_of(BIG), [BIG])
                owner.delete(lock)
                if taken:
                    assert commit(other, [b"theirs"]) == 1
                transaction.commit(b"record")

        for taken in (False, True):
            with pytest.raises(StoreBusy, match="did not renew its lock in time"):
                save(taken)
        assert observed(log).versions == {1: (b"theirs",)}
        assert commit(log, [BIG]) == 2
        with log.begin() as transaction:
            transaction.put(digest_of(b"mine"), [b"mine"])
            owner.set(lock, "another's token")
            with pytest.raises(StoreBusy):
                transaction.commit(b"record")
        assert owner.get(lock) == b"another's token"
        owner.delete(lock)
        assert list(observed(log).versions) == [1, 2]


# --- what is not pod's, or not the user's ----------------------------------------------------------------


def test_there_must_be_a_store_unless_it_is_to_be_made(server: Server) -> None:
    url = server.store()
    with pytest.raises(NotAStore, match=rf"no store; make one with: pod init '.*store={name_of(url)}'"):
        Log.open(url, key=KEY, create=False)
    open_log(url).close()
    Log.open(url, key=KEY, create=False).close()


def test_stores_of_one_database_know_nothing_of_each_other(server: Server) -> None:
    with open_log(server.store()) as one, open_log(server.store()) as other:
        commit(one, [b"one"])
        with one.begin():
            assert commit(other, [b"other"]) == 1
        collect(other, [])
        assert observed(one).versions == {1: (b"one",)}
        assert observed(other).versions == {}


@pytest.mark.redis
def test_a_key_of_somebody_elses_is_no_store(redis_: Server) -> None:
    url = redis_.store()
    with redis.Redis.from_url(redis_.url) as owner:
        owner.set(f"{{pod:{name_of(url)}}}:state", "something else")
        with pytest.raises(NotAStore, match="something else is in its place"):
            open_log(url)


def test_another_users_store_is_refused_until_it_is_trusted(server: Server) -> None:
    url = server.store()
    with Log.open(url, key=OTHER_KEY) as log:
        commit(log, [b"abc"])
        label = str(log.path)
    with pytest.raises(Untrusted) as raised:
        open_log(url)
    assert str(raised.value).endswith(f"If you trust whoever wrote it, run: pod trust {label}")
    assert PASSWORD not in str(raised.value)
    report = trust(url, key=KEY)
    assert (report.versions, report.signed, report.path) == (1, True, label)
    with open_log(url) as log:
        assert observed(log).versions == {1: (b"abc",)}


# --- damage ----------------------------------------------------------------------------------------------


def damage(server: Server, url: str, *, lose: bool) -> None:
    """Change a byte of each piece of three bytes, or delete these pieces."""
    name = name_of(url)
    if url.startswith("redis"):
        with redis.Redis.from_url(server.url) as client:
            for key in client.scan_iter(f"{{pod:{name}}}:pieces:*"):
                held = client.hgetall(key)
                assert isinstance(held, dict)
                for digest, data in held.items():
                    if len(data) == 3 and lose:
                        client.hdel(key, digest)
                    elif len(data) == 3:
                        client.hset(key, digest, b"xyz")
        return
    change = "DELETE FROM" if lose else "UPDATE"
    what = "" if lose else "SET data = 'xyz'"
    with psycopg.connect(server.url) as connection:
        connection.execute(f"{change} {name}.pod_piece {what} WHERE length(data) = 3".encode())


@pytest.mark.parametrize("lose", [False, True])
def test_damage_is_found(server: Server, lose: bool) -> None:
    url = server.store()
    with open_log(url) as log:
        commit(log, [b"abc", b"whole", BIG])
        damage(server, url, lose=lose)
    with open_log(url) as log:
        (found,) = log.verify()
        assert (found.digest, found.path) == (digest_of(b"abc"), str(log.path))
        with pytest.raises(Corrupt, match="is missing" if lose else "is damaged"):
            log.read(digest_of(b"abc"))
        assert log.read(digest_of(b"whole")) == b"whole"
        with pytest.raises(Corrupt, match="cannot be trusted"):
            trust(url, key=OTHER_KEY)


def change_sizes(server: Server, url: str, by: int) -> None:
    """Change the lengths of pieces that the first entry tells of."""
    name = name_of(url)
    if url.startswith("redis"):
        with redis.Redis.from_url(server.url) as client:
            key = f"{{pod:{name}}}:contents:1"
            client.lset(key, 0, _with_sizes(client.lindex(key, 0), by))  # type: ignore[arg-type]
        return
    with psycopg.connect(server.url) as connection:
        ((contents,),) = connection.execute(
            f"SELECT contents FROM {name}.pod_entry WHERE number = 0".encode()
        ).fetchall()
        change = f"UPDATE {name}.pod_entry SET contents = %b WHERE number = 0".encode()
        connection.execute(change, [_with_sizes(contents, by)])


def _with_sizes(contents: bytes, by: int) -> bytes:
    catalogue = Catalogue(b"", 1)
    catalogue.add(b"", contents)
    return pack_contents(
        {digest: (size + by, where) for digest, (size, where, _) in catalogue.places.items()}
    )


@pytest.mark.parametrize("by", [1, -1, PART_BYTES, 1 << 33])
def test_a_length_that_is_wrong_is_damage(server: Server, by: int) -> None:
    url = server.store()
    with open_log(url) as log:
        commit(log, [b"abc"])
    change_sizes(server, url, by)
    with open_log(url) as log:
        assert digest_of(b"abc") in {found.digest for found in log.verify()}
        with pytest.raises(Corrupt):
            log.read(digest_of(b"abc"))


def test_a_length_that_no_piece_has_is_refused(server: Server) -> None:
    url = server.store()
    with open_log(url) as log:
        commit(log, [b"abc"])
    change_sizes(server, url, 1 << 60)
    with pytest.raises(Corrupt, match="the contents of an entry are damaged"):
        open_log(url)


def test_entries_that_were_lost_are_damage(server: Server) -> None:
    url = server.store()
    with open_log(url) as log:
        for number in range(3):
            commit(log, [content(number, 10)])
    if url.startswith("redis"):
        with redis.Redis.from_url(server.url) as client:
            for kind in ("heads", "contents"):
                client.rpop(f"{{pod:{name_of(url)}}}:{kind}:1")
    else:
        with psycopg.connect(server.url) as connection:
            connection.execute(f"DELETE FROM {name_of(url)}.pod_entry WHERE number = 2".encode())
    with open_log(url) as log:
        assert list(observed(log).versions) == [1, 2]
        assert [found.what for found in log.verify()] == ["entries after number 2 are missing"]
        with pytest.raises(Corrupt, match="version 3 is not among what can be read"):
            log.record(3)
        with pytest.raises(Corrupt, match="nothing can be saved here"):
            commit(log, [b"abc"])


def test_a_store_that_was_set_back_is_read_anew(server: Server) -> None:
    url = server.store()
    with open_log(url) as log:
        for number in range(3):
            commit(log, [content(number, 10)])
        if url.startswith("redis"):
            with redis.Redis.from_url(server.url) as client:
                for kind in ("heads", "contents"):
                    client.rpop(f"{{pod:{name_of(url)}}}:{kind}:1", 2)
                client.hset(f"{{pod:{name_of(url)}}}:state", "entries", "1")
        else:
            with psycopg.connect(server.url) as connection:
                connection.execute(f"DELETE FROM {name_of(url)}.pod_entry WHERE number > 0".encode())
                connection.execute(f"UPDATE {name_of(url)}.pod_store SET entries = 1".encode())
        assert list(observed(log).versions) == [1]
        assert commit(log, [b"again"]) == 2
        assert observed(log).versions == {1: (content(0, 10),), 2: (b"again",)}


# --- durability ------------------------------------------------------------------------------------------


@pytest.mark.redis
@pytest.mark.parametrize(
    ("options", "durable", "said"),
    [
        ((), False, "appendonly is no"),
        (("--appendfsync", "everysec"), True, "appendfsync is everysec"),
        (("--maxmemory-policy", "allkeys-lru"), True, "maxmemory-policy is allkeys-lru"),
    ],
)
def test_a_redis_that_is_not_durable_is_warned_of(options: tuple[str, ...], durable: bool, said: str) -> None:
    with redis_server(*options, durable=durable) as server:
        with pytest.warns(NotDurableWarning, match=said) as told:
            open_log(server.store()).close()
        assert len(told) == 1
        assert PASSWORD not in str(told[0].message)


@pytest.mark.postgres
def test_a_postgresql_that_does_not_sync_is_warned_of() -> None:
    with postgres_server("-c", "fsync=off") as server, pytest.warns(NotDurableWarning, match="fsync is off"):
        open_log(server.store()).close()


def test_a_durable_server_is_not_warned_of(server: Server) -> None:
    with warnings.catch_warnings(record=True) as told:
        open_log(server.store()).close()
    assert told == []


@pytest.mark.postgres
def test_a_commit_is_synchronous_where_the_database_is_not() -> None:
    with (
        postgres_server("-c", "synchronous_commit=off", "-c", "wal_writer_delay=10s") as server,
        open_log(server.store()) as log,
    ):
        for number in range(2):
            commit(log, [content(number, 100)])
            server.kill()
            server.start()
            assert list(observed(log).versions) == list(range(1, number + 2))


# --- passwords -------------------------------------------------------------------------------------------


def test_passwords_are_never_shown(own: Server) -> None:
    url = own.store()
    log = open_log(url)
    shown = [repr(log.backend), str(log.path), repr(log), str(log.stats())]
    shown += [repr(value) for value in vars(log.backend).values()]
    wrong = url.replace(QUOTED, QUOTED + "x")
    own_words: list[type[PodError]] = []
    for attempt in (wrong, url.replace("store=", "store=%20"), url.replace(QUOTED, QUOTED + "@:")):
        with pytest.raises(PodError) as raised:
            open_log(attempt)
        own_words.append(raised.type)
        shown += [str(raised.value), repr(raised.value), str(raised.value.__cause__)]
    own.stop()
    for attempt in (url, wrong):
        with pytest.raises(StoreUnavailable) as lost:
            open_log(attempt)
        shown += [str(lost.value), str(lost.value.__cause__)]
    log.close()
    assert len(own_words) == 3
    assert [text for text in shown if PASSWORD in text or QUOTED in text or "s3cret" in text] == []
