"""Every kind of object under policies that cut nearly everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.oracle import differences, portray
from tests.pod.kinds import MUST
from tests.pod.notebook import Notebook
from tests.pod.podding.policies import POLICIES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("policy", ["everything", "by turns"])
@pytest.mark.parametrize("kind", MUST)
def test_a_kind_comes_back_as_it_was(kind: str, policy: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", podding=POLICIES[policy]) as notebook:
        notebook.cell(MUST[kind])
        first = notebook.save()
        full = notebook.save(full=True)
        notebook.check([full])
        notebook.ns = notebook.store.load(first)
        again = notebook.save(full=True)
        assert differences(notebook.versions[first], notebook.versions[again]) == []
        assert differences(notebook.versions[first], portray(notebook.store.load(again))) == []
        assert [report.unsaved for report in notebook.reports.values()] == [(), (), ()]
