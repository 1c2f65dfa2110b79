"""Whole runs, by the real processes, on a tree of a few kilobytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.errors import HarnessError, UsageError
from harness.home import Home
from harness.podbench._campaign import Campaign, line_of, request_of, required_failures
from harness.podbench._plan import Plan, Request, make_plan
from harness.progress import RunProgress
from harness.runs import RunFolder
from tests.harness.podbench.factory import trial

TREE = "rmtree[tc=2][tv=2][tl=5][tml=50]"


class Said(RunProgress):
    """Keeps what was said; stops the run at the trial that begins with `stop_at`."""

    def __init__(self, stop_at: str = "never") -> None:
        super().__init__(Console(quiet=True))
        self.lines: list[str] = []
        self._stop_at = stop_at

    def say(self, text: str) -> None:
        self.lines.append(text)

    def started(self, text: str) -> None:
        if text.startswith(self._stop_at):
            raise KeyboardInterrupt
        self.lines.append(text)

    @property
    def trials(self) -> list[str]:
        return [line.partition(":")[2].split()[0] for line in self.lines if line.startswith("round")]


def plan(systems: str, workloads: str = TREE, **other: Any) -> Plan:
    return make_plan(Request(systems=systems, workloads=workloads, **other))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One home for all, so that the reference run is made once."""
    return Home(tmp_path_factory.mktemp("home"))


def test_a_trial_is_one_line() -> None:
    assert line_of(trial(stored=2150)) == (
        "2.1 KiB; blocked 200.0 ms a save; load 100.0 ms; cold 300.0 ms; 4 loads compared, 0 wrong"
    )
    assert line_of({"status": "failed", "reason": "why"}) == "failed: why"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_was_stopped_goes_on_and_interleaves(home: Home) -> None:
    asked, first = plan("snp,noop", rounds=2), Said("round 2 of 2: snp")
    campaign = Campaign(asked, home)
    with pytest.raises(KeyboardInterrupt):
        campaign.run(first)
    run = campaign.run_folder
    assert first.trials == ["snp", "noop", "noop"]
    assert not run.work.exists()
    assert not run.complete()

    again = Said()
    begun = RunFolder(run.folder)
    cases = Campaign(make_plan(request_of(begun)), home, begun).run(again)

    assert again.trials == ["snp"]
    assert run.complete()
    assert [[one["round"] for one in case["trials"]] for case in cases] == [[1, 2], [1, 2]]
    assert [case["status"] for case in cases] == ["ok", "ok"]
    assert [(case["verdict"]["checked"], case["verdict"]["wrong"]) for case in cases] == [(8, 0), (0, 0)]
    assert len(list((run.folder / "notebooks").glob("*.ipynb"))) == 4
    executed = (run.folder / "notebooks" / f"{cases[0]['id']}-r1.ipynb").read_text()
    assert "2 of 2 right" in executed
    assert not run.work.exists()
    with pytest.raises(UsageError, match="was measured with another request: begin a new one"):
        Campaign(plan("snp,noop", rounds=3), home, begun).run(Said())


@pytest.mark.timeout(120)
def test_a_run_does_not_go_on_beside_another_reference(home: Home, tmp_path: Path) -> None:
    notebook = tmp_path / "mine.ipynb"
    asked = Request(systems="noop", notebook=str(notebook))
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "a = 1"}]}))
    campaign = Campaign(make_plan(asked), home)
    with pytest.raises(KeyboardInterrupt):
        campaign.run(Said("round 1 of 1: noop"))

    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "a = 2"}]}))
    with pytest.raises(UsageError, match="was measured with another reference run: begin a new one"):
        Campaign(make_plan(asked), home, RunFolder(campaign.run_folder.folder)).run(Said())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cell_that_fails_under_a_system_is_a_result_with_a_reason(home: Home, tmp_path: Path) -> None:
    notebook = tmp_path / "frames.ipynb"
    source = "import sys\nif 'harness.podbench._session' in sys.modules: raise KeyError('no')"
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source}]}))
    (case,) = Campaign(make_plan(Request(systems="snp", notebook=str(notebook))), home).run(Said())

    assert (case["status"], case["reason"], case["label"]) == (
        "failed",
        "round 1: cell 1: KeyError: 'no'",
        "INVALID",
    )


def test_cells_that_fail_without_any_system_end_the_run_and_leave_nothing(home: Home, tmp_path: Path) -> None:
    notebook = tmp_path / "wrong.ipynb"
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "1 / 0"}]}))
    campaign = Campaign(make_plan(Request(systems="noop", notebook=str(notebook))), home)
    with pytest.raises(HarnessError, match="wrong: cell 1 failed: ZeroDivisionError: division by zero"):
        campaign.run(Said())

    assert not campaign.run_folder.folder.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_trial_that_takes_too_long_is_ended(home: Home, tmp_path: Path) -> None:
    notebook = tmp_path / "slow.ipynb"
    source = "import sys, time\nif 'harness.podbench._session' in sys.modules: time.sleep(500)"
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source}]}))
    asked = make_plan(Request(systems="noop", notebook=str(notebook), timeout_s=6))
    campaign = Campaign(asked, home)
    (case,) = campaign.run(Said())

    assert (case["status"], case["reason"]) == ("timeout", "round 1: no result after 6 s")
    assert not campaign.run_folder.work.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_system_refuses_is_skipped_with_its_reason_unless_it_is_required(home: Home) -> None:
    asked = plan("exhaust", "rmlist", require="exhaust")
    said = Said()
    cases = Campaign(asked, home).run(said)

    assert [case["status"] for case in cases] == ["skipped"]
    assert cases[0]["reason"]
    assert any(line.startswith("exhaust: skipped: ") for line in said.lines)
    assert required_failures(asked, cases) == [f"exhaust: {cases[0]['reason']}"]
    assert required_failures(plan("exhaust", "rmlist"), cases) == []
