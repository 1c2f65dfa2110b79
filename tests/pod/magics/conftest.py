"""A notebook in this process for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pod.magics.shells import ShellNotebook


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[ShellNotebook]:
    with ShellNotebook(tmp_path / "store") as opened:
        yield opened
