from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from harness.children import run_child
from harness.errors import TrialTimeout
from harness.leftovers import NAME
from harness.procfs import start_ticks


def test_a_command_ends_with_its_code_and_its_output_in_the_log(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['GIVEN']); sys.exit(3)"

    assert run_child([sys.executable, "-c", code], tmp_path, tmp_path / "log", 60, {"GIVEN": "so"}) == 3
    assert (tmp_path / "log").read_text() == "so\n"
    assert (tmp_path / NAME).exists()


def test_what_takes_too_long_is_ended_with_its_descendants(tmp_path: Path) -> None:
    code = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "pathlib.Path('pid.partial').write_text(str(child.pid))\n"
        "pathlib.Path('pid.partial').rename('pid')\n"
        "time.sleep(300)"
    )
    command = [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r})\n{code}"]
    with pytest.raises(TrialTimeout, match="no result after 5 s"):
        run_child(command, tmp_path, tmp_path / "log", 5, {})

    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while start_ticks(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert start_ticks(pid) is None
