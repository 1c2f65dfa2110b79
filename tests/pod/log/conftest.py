"""What the tests of the log share."""

from __future__ import annotations

import pytest

from pod.log import _file, _writer


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small stores go the ways of large ones: an index, buffers that fill, pieces with a sync of their own."""
    monkeypatch.setattr(_file, "_UNINDEXED_CLOSED", 0)
    monkeypatch.setattr(_writer, "UNSYNCED_BYTES", 8192)
    monkeypatch.setattr(_writer, "COPIED_BYTES", 1024)
    monkeypatch.setattr(_writer, "_BUFFER_BYTES", 2048)
    monkeypatch.setattr(_writer, "_HURRIED_BYTES", 4096)
