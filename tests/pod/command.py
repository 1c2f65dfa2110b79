"""The command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pod.cli import main


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process."""
    monkeypatch.setattr("pod.cli.signal.signal", lambda *_: None)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pod", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        status = ended.value.code
        said = capsys.readouterr()
        assert status is None or isinstance(status, int)
        return Outcome(status or 0, said.out, said.err)

    return run
