"""Ctrl-C wherever it can strike while a transaction begins: the writer's lock is not left taken."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import pod.log
from pod.errors import StoreBusy
from pod.log import Log
from tests.pod.log.disk import Disk
from tests.pod.log.servers import Server
from tests.pod.log.steps import KEY, commit, open_log

LOG = str(Path(pod.log.__file__).parent)


def interrupt(log: Log, step: int) -> Exception | KeyboardInterrupt | None:
    """Begin a transaction, with Ctrl-C at a step (a call, a line, a return) that the log takes; return what was raised."""
    left = step

    def trace(frame: FrameType, _event: str, returned: object) -> Any:
        nonlocal left
        del returned  # or the error would hold it
        if not frame.f_code.co_filename.startswith(LOG):
            return None
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        transaction = log.begin()
    except (StoreBusy, KeyboardInterrupt) as error:
        return error
    finally:
        sys.settrace(before)
    transaction.close()
    return None


def check_every_step(one: Log, other: Log) -> None:
    commit(one, [b"abc"])
    for step in count():
        error = interrupt(one, step)  # holds the frames, and so whatever these would give back once forgotten
        if error is None:
            break
        with other.begin() as transaction:
            assert transaction.tid == 2, f"after step {step}"
    assert step > 20
    assert commit(one, []) == 2


def test_in_a_folder() -> None:
    disk = Disk()
    check_every_step(open_log(disk), open_log(disk))


def test_in_memory() -> None:
    one, other = (Log.open("memory://interrupted steps", key=KEY, timeout_s=0.0) for _ in range(2))
    check_every_step(one, other)


def test_in_a_database(server: Server) -> None:
    url = server.store()
    with Log.open(url, key=KEY, timeout_s=0.0) as one, Log.open(url, key=KEY, timeout_s=0.0) as other:
        check_every_step(one, other)


@pytest.fixture(params=["file", "memory"])
def log(request: pytest.FixtureRequest) -> Log:
    if request.param == "file":
        return open_log(Disk())
    return Log.open(f"memory://{request.node.name}", key=KEY, timeout_s=0.0)


def check_another_keeps_it(log: Log) -> None:
    """Interrupt every step of waiting in vain."""
    for step in count():
        with log.begin() as transaction:
            error = interrupt(log, step)
            assert transaction.commit(b"") == step + 1, f"after step {step}"
        if isinstance(error, StoreBusy):
            break
    assert step > 5


def test_who_waited_takes_nothing_from_who_has_it(log: Log) -> None:
    check_another_keeps_it(log)


def test_so_it_is_in_a_database(server: Server) -> None:
    with Log.open(server.store(), key=KEY, timeout_s=0.0) as log:
        check_another_keeps_it(log)
