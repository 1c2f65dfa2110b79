"""Objects in memory."""

from __future__ import annotations

import uuid

import pytest

from pond.store import ObjectStore, open_store
from tests.pond.store.suite import StoreSuite, content, keys


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return open_store(f"memory://{uuid.uuid4().hex}")


def test_names_are_apart_and_one_name_is_one_store() -> None:
    name = uuid.uuid4().hex
    open_store(f"memory://{name}").put("key", [b"here"])
    assert content(open_store(f"memory://{name}"), "key") == b"here"
    assert keys(open_store(f"memory://{name}x")) == []
    assert keys(open_store(f"memory://{name}/deeper")) == []
