"""What was written in format 1 can be read for ever, and is still written byte for byte.

`golden/format-1` is a store of three versions, the first two of them in its index. A later format gets a folder of its
own beside it, and this one stays.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pod.log import Log, _file
from tests.pod.log.disk import Disk
from tests.pod.log.steps import FOLDER, KEY, OTHER_KEY, State, commit, content, observed, open_log

GOLDEN = Path(__file__).resolve().parent / "golden" / "format-1"

STATE = State(
    {1: (b"abc", content(1, 3000)), 2: (b"", b"abc"), 3: (content(2, 200),)},
    {"branch/main": 3, "tag/first ☃": 1},
)


def write(disk: Disk) -> None:
    log = open_log(disk)
    commit(log, STATE.versions[1], {"branch/main": 1})
    log.set_refs({"tag/first ☃": 1, "branch/main": None})
    commit(log, STATE.versions[2])
    log.settle()
    commit(log, STATE.versions[3], {"branch/main": 3})


def test_a_store_of_format_1_is_read(tmp_path: Path) -> None:
    for path in GOLDEN.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    log = Log.open(tmp_path, key=KEY)
    assert observed(log) == STATE
    assert log.verify() == []
    assert commit(log, []) == 4


def test_format_1_is_still_written_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_file, "_UNINDEXED_CLOSED", 0)
    disk = Disk()
    write(disk)
    assert {path.name: bytes(inode.data) for path, inode in disk.files().items()} == {
        path.name: path.read_bytes() for path in GOLDEN.iterdir()
    }
    assert FOLDER / "lock" in map(Path, disk.files())


def test_another_key_gives_other_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    commit(open_log(disk, key=OTHER_KEY), STATE.versions[1], {"branch/main": 1})
    size = len(disk.content(FOLDER / "00000001.pods"))
    assert bytes(disk.content(FOLDER / "00000001.pods")) != (GOLDEN / "00000001.pods").read_bytes()[:size]
