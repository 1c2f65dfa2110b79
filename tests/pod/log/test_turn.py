"""One writer at a time in a process, also when Ctrl-C comes at a bad moment."""

from __future__ import annotations

from threading import Thread

import pytest

from pod.errors import StoreBusy
from pod.log import Log
from pod.log._turn import Turn
from tests.pod.log.servers import Server
from tests.pod.log.steps import KEY, commit


def test_one_has_it_until_it_gives_it_back() -> None:
    turn, one, other = Turn(), object(), object()
    assert (turn.take(one, 0), turn.take(other, 0.01)) == (True, False)
    turn.give_back(other)
    assert (turn.is_of(one), turn.is_of(other)) == (True, False)
    thread = Thread(target=turn.give_back, args=(one,))
    thread.start()
    assert turn.take(other, 60)
    thread.join()
    turn.give_back(one)
    assert turn.is_of(other)


def _check_interrupt(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log.open(url, key=KEY, timeout_s=0.0)
    take = Turn.take

    def interrupted(turn: Turn, token: object, timeout_s: float) -> bool:
        take(turn, token, timeout_s)
        raise KeyboardInterrupt

    def begin() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Turn, "take", interrupted)
            log.begin()

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert commit(log, [b"abc"]) == 1
    with log.begin():
        with pytest.raises(KeyboardInterrupt):
            begin()
        with pytest.raises(StoreBusy):
            log.begin()
    assert commit(log, [b"def"]) == 2
    log.close()


def test_an_interrupt_just_after_it_was_taken_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    _check_interrupt("memory://interrupted turn", monkeypatch)


def test_so_it_is_in_a_database(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _check_interrupt(server.store(), monkeypatch)
