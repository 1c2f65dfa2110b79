"""The seam to the disk: folders that are made."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pod.io import OS, make_folders
from tests.pod.log.disk import Disk


def test_missing_parents_are_made_and_synced() -> None:
    disk = Disk()
    make_folders(disk, Path("/a/b/c"))
    made = [(change.kind, change.name) for change in disk.journal if change.kind == "make_folder"]
    assert made == [("make_folder", "a"), ("make_folder", "b"), ("make_folder", "c")]
    assert [change.kind for change in disk.journal] == ["make_folder", "sync_folder"] * 3
    make_folders(disk, Path("/a/b/c"))
    assert len(disk.journal) == 6


@pytest.mark.parametrize("path", ["/a", "/a/b/c", "a/b"])
def test_a_folder_that_can_be_made_nowhere_is_an_error(path: str) -> None:
    class Nowhere:
        def make_folder(self, folder: Path) -> None:
            if folder == Path("/"):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))

    io: Any = Nowhere()
    with pytest.raises(FileNotFoundError):
        make_folders(io, Path(path))


def test_another_user_s_folder_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, _mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    tmp_path.chmod(0o777)
    monkeypatch.setattr(Path, "chmod", refuse)
    OS.make_private(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o777
