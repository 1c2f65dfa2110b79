"""`make peers` puts programs where the harness looks for them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.home import find_home

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("variable", ["HARNESS_HOME", "HARNESS_CACHE"])
def test_peers_go_where_they_are_looked_for(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n')
    go.chmod(0o755)
    for name in ("HARNESS_HOME", "HARNESS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(go.parent), os.environ["PATH"]]))
    subprocess.run(["tools/peers.sh", "geesefs"], cwd=REPOSITORY, check=False, capture_output=True)

    built = find_home().cache / "peers" / "bin" / "geesefs"
    assert f"-o {built} " in (tmp_path / "asked").read_text()
