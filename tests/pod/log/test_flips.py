"""Every flipped bit of every file is found, and nothing that it damaged is returned."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod.errors import PodError
from tests.pod.log.disk import Disk
from tests.pod.log.steps import FOLDER, State, commit, content, observed, open_log

pytestmark = pytest.mark.usefixtures("small_limits")


def written() -> tuple[Disk, State]:
    """Return a small store: an index that covers some of it, and what came later."""
    disk = Disk()
    log = open_log(disk)
    state = State()
    for contents, refs in [([content(1, 90), b""], {"tag/a": 1}), ([content(1, 90), content(2, 300)], {})]:
        tid = commit(log, contents, dict(refs))
        state = state.with_version(tid, contents, dict(refs))
    log.settle()
    tid = commit(log, [content(3, 200)], {"branch/main": 3})
    return disk, state.with_version(tid, [content(3, 200)], {"branch/main": 3})


def is_found(disk: Disk, state: State) -> bool:
    """Whether `verify` or the opening finds damage; reading gives what was written, or an error."""
    try:
        log = open_log(disk, create=False)
    except PodError:
        return True
    damage = log.verify()
    for tid in log.tids():
        try:
            found = observed(log)
        except PodError:
            break
        assert found.versions[tid] == state.versions[tid]
        assert {
            name: target for name, target in found.refs.items() if target == tid
        }.items() <= state.refs.items()
    return damage != []


def test_a_store_that_is_whole_is_found_whole() -> None:
    disk, state = written()
    names = sorted(path.name for path in disk.files())
    assert names == ["00000001.pods", "durable", "index", "lock"]
    assert not is_found(disk, state)


@pytest.mark.parametrize("name", ["00000001.pods", "durable", "index"])
def test_every_flipped_bit_is_found(name: str) -> None:
    disk, state = written()
    data = disk.content(Path(FOLDER, name))
    missed = []
    for offset in range(len(data)):
        bit = offset % 8
        data[offset] ^= 1 << bit
        if not is_found(disk, state):
            missed.append(offset)
        data[offset] ^= 1 << bit
    assert missed == []
    assert not is_found(disk, state)


@pytest.mark.parametrize("name", ["00000001.pods", "durable", "index"])
def test_every_truncation_is_found(name: str) -> None:
    disk, state = written()
    data = disk.content(Path(FOLDER, name))
    whole = bytes(data)
    missed = []
    for size in range(1, len(whole), 7):
        data[:] = whole[:size]
        if not is_found(disk, state):
            missed.append(size)
    data[:] = whole
    assert missed == []
    assert not is_found(disk, state)


def test_damage_is_named_by_its_place() -> None:
    disk, _ = written()
    data = disk.content(Path(FOLDER, "00000001.pods"))
    data[32 + 48 + 5] ^= 1  # in the first piece
    log = open_log(disk)
    (damage,) = log.verify()
    assert (damage.path, damage.offset) == (f"{FOLDER}/00000001.pods", 32)
    assert damage.what == "a piece does not match its digest"
    assert damage.digest is not None
    assert damage.digest in log


def test_what_is_not_damaged_can_still_be_read() -> None:
    disk, state = written()
    data = disk.content(Path(FOLDER, "00000001.pods"))
    data[32 + 48 + 5] ^= 1
    log = open_log(disk)
    assert tuple(map(bytes, log.read_through([*_digests(log, 3)]))) == state.versions[3]
    with pytest.raises(PodError, match="is damaged; run: pod verify"):
        list(log.read_through([*_digests(log, 1)]))


def _digests(log: object, tid: int) -> list[bytes]:
    from pod.log import Log
    from tests.pod.log.steps import digests_in

    assert isinstance(log, Log)
    return digests_in(log.record(tid))
