"""What a mount promises: one version, and its bytes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from pond.errors import AlreadyExists, CorruptData, NotFound
from pond.volume import Volume, create_version
from tests.pond.mounts import Mount, mounted
from tests.pond.semantics.promises import (
    MIB,
    assembled,
    content,
    errno_of_act,
    promise,
)
from tests.pond.trees import PACK_KEY, Content, recording, version_of, write_tree

# --- one version ----------------------------------------------------------------------------------------


@promise(1)
@pytest.mark.fuse
def test_a_later_version_does_not_change_a_mount(tmp_path: Path) -> None:
    volume = Volume.open(str(tmp_path / "volume"))
    create_version(volume, write_tree(tmp_path / "one", {b"name": b"one"}), "v1")
    with mounted(volume.url, tmp_path / "mnt") as running:
        assert (running.path / "name").read_bytes() == b"one"
        create_version(volume, write_tree(tmp_path / "two", {b"name": b"two", b"more": b""}), "v2")
        assert volume.version().info.version == "v2"
        assert [path.name for path in running.path.iterdir()] == ["name"]
        assert (running.path / "name").read_bytes() == b"one"
        assert not (running.path / "more").exists()


@promise(2)
def test_the_latest_is_the_one_made_last(memory_volume: Volume, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"x"})
    for name in ("v9", "v10", "a"):
        create_version(memory_volume, source, name)
        assert memory_volume.version().info.version == name


@promise(3)
def test_a_version_that_is_being_made_is_not_there(file_volume: Volume, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", {b"%d" % i: b"x" * 5000 for i in range(5)})
    seen = []

    def look(_files: int, _bytes: int) -> None:
        seen.append((file_volume.versions(), file_volume.has("v1")))
        with pytest.raises(NotFound):
            file_volume.version("v1")

    create_version(file_volume, source, "v1", progress=look)
    assert seen == [([], False)] * 5
    with pytest.raises(AlreadyExists):
        create_version(file_volume, source, "v1")


@promise(4)
@pytest.mark.fuse
def test_nothing_can_be_changed(mount: Mount) -> None:
    file = mount.path / "a.txt"
    acts: list[Callable[[], object]] = [
        lambda: file.open("ab"),
        lambda: os.truncate(file, 0),
        (mount.path / "new").touch,
        (mount.path / "new").mkdir,
        lambda: (mount.path / "new").symlink_to("a.txt"),
        lambda: (mount.path / "new").hardlink_to(file),
        file.unlink,
        (mount.path / "empty-folder").rmdir,
        lambda: file.rename(mount.path / "b.txt"),
        lambda: file.chmod(0o600),
        lambda: os.utime(file),
        lambda: os.chown(file, os.getuid(), os.getgid()),
        lambda: os.setxattr(file, "user.a", b"x"),
    ]
    assert [errno_of_act(act) for act in acts] == [errno.EROFS] * len(acts)


# --- bytes ----------------------------------------------------------------------------------------------


@promise(5)
def test_every_byte_is_compared_with_its_digest() -> None:
    files: dict[bytes, Content] = {b"a": b"a" * 3000, b"large": Random(1).randbytes(MIB + 50)}
    pack = recording(version_of(files)).objects[PACK_KEY]
    for position in [*range(32, len(pack), 99_991), len(pack) - 1]:
        with assembled(files) as (made, store):
            store.objects[PACK_KEY] = pack[:position] + bytes([pack[position] ^ 1]) + pack[position + 1 :]
            path = b"a" if position < 32 + 3000 else b"large"
            with pytest.raises(CorruptData):
                content(made.filesystem, path)


@promise(6)
def test_a_read_ends_at_the_end_of_the_file() -> None:
    with assembled({b"a": b"a" * 100, b"b": b"behind"}) as (made, _):
        reads = [(0, 4096), (99, 4096), (100, 4096), (101, 1)]
        found = [content(made.filesystem, b"a", *read) for read in reads]
    assert found == [b"a" * 100, b"a", b"", b""]


@promise(7)
def test_two_reads_are_equal_or_one_is_an_error() -> None:
    with assembled({b"a": b"before"}, cache_bytes=MIB) as (made, store):
        before = content(made.filesystem, b"a")
        store.objects[PACK_KEY] = store.objects[PACK_KEY].replace(b"before", b"after!")
        assert content(made.filesystem, b"a") == before
        made.filesystem.clear_cache()
        with pytest.raises(CorruptData):
            content(made.filesystem, b"a")
