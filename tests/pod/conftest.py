"""Keys of these tests' own: no test reads or writes the user's. And no test sees what other tests' imports registered."""

from __future__ import annotations

import copyreg
import types
from collections.abc import Iterator

import pytest


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
