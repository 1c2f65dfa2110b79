"""The backends of memory, PostgreSQL and Redis."""

from __future__ import annotations

from itertools import count

import pytest
import redis

from pod.log import Log, MemoryBackend, _rows
from pod.log._postgres import PostgresBackend
from pod.log._redis import RedisBackend
from tests.pod.log.servers import Server
from tests.pod.log.steps import KEY, commit, content, digest_of
from tests.pod.log.suite import BackendSuite, Reopen

_names = count()


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small pieces go the ways of large ones: several rows, several round trips."""
    monkeypatch.setattr(_rows, "PART_BYTES", 8192)
    monkeypatch.setattr(_rows, "BATCH_BYTES", 20_000)
    monkeypatch.setattr(_rows, "BATCH_ROWS", 7)


class TestMemory(BackendSuite):
    @pytest.fixture
    def reopen(self) -> Reopen:
        name = f"suite {next(_names)}"
        return lambda: MemoryBackend(name)


@pytest.mark.postgres
class TestPostgres(BackendSuite):
    @pytest.fixture
    def reopen(self, postgres: Server) -> Reopen:
        url = postgres.store()
        return lambda: PostgresBackend(url)


@pytest.mark.redis
class TestRedis(BackendSuite):
    @pytest.fixture
    def reopen(self, redis_: Server) -> Reopen:
        url = redis_.store()
        return lambda: RedisBackend(url)


@pytest.mark.postgres
class TestPostgresWithSmallParts(BackendSuite):
    @pytest.fixture
    def reopen(self, postgres: Server, small_parts: None) -> Reopen:
        url = postgres.store()
        return lambda: PostgresBackend(url)


@pytest.mark.redis
class TestRedisWithSmallParts(BackendSuite):
    @pytest.fixture
    def reopen(self, redis_: Server, small_parts: None) -> Reopen:
        url = redis_.store()
        return lambda: RedisBackend(url)


@pytest.mark.redis
def test_reads_take_few_round_trips(redis_: Server) -> None:
    contents = [content(seed, 5000) for seed in range(2000)]
    digests = [digest_of(each) for each in contents]
    with Log.open(redis_.store(), key=KEY) as log, redis.Redis.from_url(redis_.url) as other:
        commit(log, contents)

        def commands() -> int:
            found = other.info("stats")
            assert isinstance(found, dict)
            return int(found["total_commands_processed"])

        before = commands()
        assert [bytes(each) for each in log.read_through(digests)] == contents
        assert bytes(log.read_joined(digests)) == b"".join(contents)
        assert [log.read(digest) for digest in digests] == contents
        assert commands() - before < 150


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_piece_may_have_hundreds_of_megabytes(server: Server) -> None:
    big = content(3, 1 << 20) * 300
    with Log.open(server.store(), key=KEY) as log:
        assert commit(log, [big]) == 1
        assert bytes(log.read_joined([digest_of(big)])) == big
        assert log.verify() == []
