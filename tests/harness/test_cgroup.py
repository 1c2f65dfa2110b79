from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cgroup import Hierarchy, cgroup_folders, hierarchies, make_cgroup

MEMBER = """
import sys
from pathlib import Path
for join in sys.argv[1:]:
    Path(join).write_text("0")
held = bytearray(8 << 20)
print("in", flush=True)
sys.stdin.read()
"""


def proc(folder: Path, groups: str, mounts: list[str]) -> Path:
    """Make a folder that looks like ``/proc/self`` as far as control groups are concerned."""
    own = folder / "proc"
    own.mkdir()
    (own / "cgroup").write_text(groups)
    (own / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
    return own


def test_with_v1_a_group_goes_below_the_callers_own_in_each_tree(tmp_path: Path) -> None:
    (tmp_path / "memory" / "mine").mkdir(parents=True)
    (tmp_path / "cpuset").mkdir()
    own = proc(
        tmp_path,
        "4:memory:/mine\n3:cpuset:/\n1:cpu:/\n0::/\n",
        [
            f"30 29 0:26 / {tmp_path}/memory rw - cgroup cgroup rw,memory",
            f"31 29 0:27 / {tmp_path}/cpuset rw - cgroup cgroup rw,cpuset",
            f"32 29 0:28 / {tmp_path}/cpu rw - cgroup cgroup rw,cpu",
        ],
    )

    assert hierarchies(own) == [
        Hierarchy(1, frozenset({"memory"}), tmp_path / "memory" / "mine"),
        Hierarchy(1, frozenset({"cpuset"}), tmp_path / "cpuset"),
    ]


def test_with_v2_a_group_goes_where_controllers_are_handed_down(tmp_path: Path) -> None:
    own_group = tmp_path / "user.slice" / "session"
    own_group.mkdir(parents=True)
    (tmp_path / "cgroup.subtree_control").write_text("cpuset cpu memory\n")
    (tmp_path / "user.slice" / "cgroup.subtree_control").write_text("memory pids\n")
    (own_group / "cgroup.subtree_control").write_text("\n")
    own = proc(
        tmp_path,
        "0::/user.slice/session\n",
        [f"30 29 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw,nsdelegate"],
    )

    assert hierarchies(own) == [Hierarchy(2, frozenset({"memory"}), tmp_path / "user.slice")]
    assert cgroup_folders("trial", own) == [tmp_path / "user.slice" / "trial"]


def test_a_tree_that_shows_a_part_of_the_host_is_entered_at_its_mount(tmp_path: Path) -> None:
    own = proc(
        tmp_path,
        "4:memory:/docker/abc\n",
        [f"30 29 0:26 /docker/abc {tmp_path} rw - cgroup cgroup rw,memory"],
    )

    assert hierarchies(own) == [Hierarchy(1, frozenset({"memory"}), tmp_path)]


def test_where_no_group_may_be_made_there_is_none(tmp_path: Path) -> None:
    own = proc(tmp_path, "4:memory:/\n", [f"30 29 0:26 / {tmp_path}/absent rw - cgroup cgroup rw,memory"])

    assert make_cgroup("trial", 1 << 30, {0}, own) is None


@pytest.mark.root
def test_a_member_is_bound_counted_and_ended_with_its_group() -> None:
    cpu = min(os.sched_getaffinity(0))
    group = make_cgroup(f"harness-test-{os.getpid()}", 256 << 20, {cpu})
    if group is None:
        pytest.skip("root is needed: this machine permits no control group")
    try:
        with subprocess.Popen(
            [sys.executable, "-c", MEMBER, *group.joins], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as member:
            assert member.stdout is not None
            assert member.stdout.readline() == b"in\n"
            assert [str(member.pid) in Path(join).read_text().split() for join in group.joins] == [
                True
            ] * len(group.joins)
            if group.memory_limit_bytes is not None:
                assert (group.memory_peak_bytes() or 0) > 8 << 20
            assert group.oom_kills() == 0

            group.remove()

            assert member.wait(10) != 0
    finally:
        group.remove()
    assert not any(folder.exists() for folder in group.folders)
