from __future__ import annotations

from pathlib import Path

import pytest

from harness.ground import harness_digest


@pytest.mark.parametrize(
    "changed",
    ["harness/a.py", "harness/systems/rows.toml", "harness/schema/a.json", "notebooks/pod/driver.ipynb"],
)
def test_whatever_a_run_is_made_of_is_in_the_harness_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    monkeypatch.setattr("harness.ground.__file__", str(tmp_path / "harness" / "ground.py"))
    path = tmp_path / changed
    path.parent.mkdir(parents=True)
    path.write_text("1")
    before = harness_digest()
    path.write_text("2")

    assert harness_digest() != before
