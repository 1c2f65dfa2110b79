"""Each installed peer against the simulator: it lists, every byte is right, it unmounts, and nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.leftovers import NAME, clear_tree
from harness.procfs import is_mounted, start_ticks
from harness.s3 import SimProcess
from harness.systems.fuse import SYSTEMS
from harness.systems.fuse._objects import ObjectMount
from tests.harness.systems.programs import FILES, PREFIX, context, read_all

pytestmark = [pytest.mark.fuse, pytest.mark.s3]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        pytest.param(system.name, config, id=name)
        for system in SYSTEMS.values()
        if issubclass(system, ObjectMount)
        for name, config in system.configs.items()
    ],
)
def test_a_peer_serves_the_bytes_and_leaves_nothing(
    name: str, config: str, sim: SimProcess, tmp_path: Path
) -> None:
    system = SYSTEMS[name]
    assert issubclass(system, ObjectMount)
    if system.how_to_get() is not None:
        pytest.skip(f"{system.program} is not installed")
    work = tmp_path / "trial" / "work"
    peer = system(context(work.parent, config, scale="1/64", url=f"s3://{sim.bucket}/{PREFIX}"))
    try:
        peer.prepare()
        root = peer.mount()
        pid = peer.pid
        assert pid is not None
        ticks = start_ticks(pid)
        assert ticks is not None
        assert read_all(root) == FILES
        assert sim.counters().get >= len(FILES)
        with pytest.raises(OSError, match=r"Read-only file system|Permission denied"):
            (root / "new").write_bytes(b"x")
        assert (peer.stats().get("cache_bytes", 0) >= sum(map(len, FILES.values()))) == (
            peer.cache_medium is not None
        )
    finally:
        peer.unmount()
    assert start_ticks(pid) != ticks
    assert not is_mounted(root)
    assert list(root.iterdir()) == []
    assert not (work / "cache").exists()
    assert (work / NAME).exists()
    clear_tree(tmp_path)  # what a run does next
    assert not work.exists()
