"""Real servers, each for one store."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.systems.pod._servers import SERVERS, Database

each = pytest.mark.parametrize("database", SERVERS.values(), ids=list(SERVERS))
each_started = pytest.mark.parametrize(
    "database",
    [
        pytest.param(SERVERS["postgresql"], marks=pytest.mark.postgres, id="postgresql"),
        pytest.param(SERVERS["redis"], marks=pytest.mark.redis, id="redis"),
    ],
)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


@each_started
def test_a_server_answers_until_it_is_closed_and_again_on_the_same_folder(
    database: Database, tmp_path: Path
) -> None:
    for _ in range(2):
        server = database.start(tmp_path)
        assert database.answers(server.url)
        server.close()
        assert not database.answers(server.url)
        assert not is_running(server.pid)


@each_started
def test_a_server_ends_with_the_process_that_started_it(database: Database, tmp_path: Path) -> None:
    name = database.name
    code = (
        "import os, pathlib, sys\nfrom harness.systems.pod._servers import SERVERS\n"
        "print(SERVERS[sys.argv[1]].start(pathlib.Path(sys.argv[2])).pid, flush=True)\nos._exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 9, done.stderr
    until = time.monotonic() + 30
    while is_running(int(done.stdout)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_running(int(done.stdout))


@pytest.mark.redis
def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    with pytest.raises((HarnessError, OSError), match="data"):
        SERVERS["redis"].start(tmp_path)


@each
def test_what_is_missing_is_named_by_its_package(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("harness.systems.pod._servers._DEBIAN", tmp_path)
    how = f"apt-get install {database.package}, or: make peers PEERS={database.name}"
    assert database.how_to_get() == how
