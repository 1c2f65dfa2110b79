from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import TrialFailed
from harness.podbench._session import Session, other_cpu_share
from harness.procfs import cpu_totals
from tests.harness.podbench.fakes import Behind, FakeSystem

CELLS = ["a = [1]", "a.append(2); b = a", "c_odd = 3"]


def test_each_cell_is_saved_and_one_join_ends_the_dumps() -> None:
    system = FakeSystem()
    session = Session(system)

    session.run(CELLS)

    assert session.versions == [0, 1, 2]
    assert [dump["nth"] for dump in session.samples["dumps"]] == [0, 1, 2, 3]
    assert [dump["storage_b"] for dump in session.samples["dumps"]][-1] == session.samples["storage_bytes"]
    assert session.samples["grown_bytes"] == session.samples["storage_bytes"] == system.size()
    assert [len(session.samples[name]) for name in ("exec_times", "gap_times")] == [3, 3]
    assert session.samples["peak_rss_bytes"] > 0


def test_nothing_but_the_stores_size_is_asked_for_between_a_save_and_the_next_cell() -> None:
    system = FakeSystem()

    Session(system).run(CELLS)

    once = ["run", "save", "take_times", "size"]
    assert system.calls == [*once * 3, "join", "take_times", "size"]


@pytest.mark.parametrize("kind", [FakeSystem, Behind])
def test_what_could_not_be_saved_is_known_by_version(kind: type[FakeSystem]) -> None:
    session = Session(kind())
    session.run([*CELLS, "del c_odd"])

    assert session.unsaved == [{}, {}, {"c_odd": "odd"}, {}]


def test_what_goes_on_behind_the_calls_is_all_there_at_the_end() -> None:
    session = Session(Behind())
    session.run(CELLS)

    assert session.samples["lock_times"] == [0.25] * 3
    assert session.samples["join_times"] == [0.5] * 3
    assert [(dump["nth"], dump["time_s"]) for dump in session.samples["async_dumps"]] == [
        (0, 1.5),
        (1, 1.5),
        (2, 1.5),
    ]


def test_excluded_names_are_not_saved_and_the_cells_go_on_with_them() -> None:
    system = FakeSystem()
    Session(system, ["a"]).run(CELLS)

    assert [set(system.load(number)) for number in range(3)] == [set(), {"b"}, {"b"}]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1 +"], "cell 1: SyntaxError: "),
        (["x = 1", "x / 0"], "cell 2: ZeroDivisionError: division by zero"),
        (["raise SystemExit(3)"], "cell 1: SystemExit: 3"),
        (["f = lambda: 0"], "the save after cell 1: "),
    ],
)
def test_a_step_that_fails_is_named(cells: list[str], said: str) -> None:
    with pytest.raises(TrialFailed) as caught:
        Session(FakeSystem()).run(cells)

    assert str(caught.value).startswith(said)
    assert gc.isenabled()


def test_a_store_whose_size_is_not_to_be_had_is_named() -> None:
    class Sizeless(FakeSystem):
        def size(self) -> int:
            raise OSError("the disk is gone")

    with pytest.raises(TrialFailed, match=r"^the size of the store after save 1: OSError: the disk is gone$"):
        Session(Sizeless()).run(CELLS)


class WithAChild(FakeSystem):
    """Has a process work for it, which lives on, as a database's server does."""

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> int:
        self.child.stdin.write(b"go on\n")
        self.child.stdin.flush()
        assert self.child.stdout.readline() == b"done\n"
        return super().save(namespace, exclude)

    def __enter__(self) -> WithAChild:
        program = (
            "import os, sys, time\n"
            "held = bytearray(300_000_000)\n"
            "for _ in sys.stdin:\n"
            "    until = time.process_time() + 0.3\n"
            "    while time.process_time() < until: pass\n"
            "    with open(sys.argv[1], 'ab') as file:\n"
            "        file.write(bytes(1_000_000)), file.flush(), os.fsync(file.fileno())\n"
            "    print('done', flush=True)\n"
        )
        command = [sys.executable, "-c", program, str(self.file)]
        self.child: Any = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def __exit__(self, *_error: object) -> None:
        self.child.communicate()


def test_what_a_child_uses_that_lives_on_is_the_systems(tmp_path: Path) -> None:
    with WithAChild(tmp_path / "file") as system:
        session = Session(system)
        cpus = os.sched_getaffinity(0)
        before = cpu_totals(cpus)
        share = other_cpu_share(cpus, lambda: session.run(CELLS))
        after = cpu_totals(cpus)

    used = session.samples
    assert used["cpu_s"] >= 0.8
    assert used["children_peak_rss_bytes"] >= 300_000_000
    assert used["written_bytes"] is None or used["written_bytes"] >= 3_000_000
    busy_s = after.busy_s - before.busy_s
    assert share * (busy_s + after.idle_s - before.idle_s) <= busy_s - 0.7


@pytest.mark.parametrize("collect", [True, False])
def test_cycles_are_collected_while_cells_run_unless_that_is_switched_off(collect: bool) -> None:
    system = FakeSystem()
    Session(system).run(["import gc; on = gc.isenabled(); del gc"], collect=collect)

    assert system.load(0) == {"on": collect}
    assert gc.isenabled()
