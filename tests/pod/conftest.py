"""Keys of these tests' own: no test reads or writes the user's. And no test sees what other tests' imports registered.

Servers of databases, one of each kind for a run, started when a test asks for it.
"""

from __future__ import annotations

import copyreg
import types
from collections.abc import Iterator

import pytest

from tests.pod.log.servers import Server, postgres_server, redis_server


@pytest.fixture(autouse=True, scope="session")
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.delenv("POD_DIR", raising=False)
        yield


@pytest.fixture(autouse=True)
def _no_registered_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing Dask registers reducers of all exceptions and of tracebacks: the oracle would follow them, here alone.

    That pod does not is shown in `test_registrations`.
    """
    for cls in list(copyreg.dispatch_table):
        if cls is types.TracebackType or issubclass(cls, BaseException):
            monkeypatch.delitem(copyreg.dispatch_table, cls)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; the test is marked `postgres`."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_() -> Iterator[Server]:
    """A durable Redis server; the test is marked `redis`."""
    with redis_server() as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("redis_", marks=pytest.mark.redis),
    ]
)
def server(request: pytest.FixtureRequest) -> Server:
    """A server of each kind."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found
