"""What a mount promises of names and attributes."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from pond.filesystem import ROOT_INO
from pond.format import Manifest
from pond.volume import Volume, create_version
from tests.pond.mounts import Mount
from tests.pond.semantics.promises import (
    assembled,
    errno_of_act,
    promise,
)
from tests.pond.trees import everyday_tree, full_tree, write_tree

# --- names and attributes -------------------------------------------------------------------------------


@promise(8)
@pytest.mark.fuse
def test_names_are_bytes(mount: Mount) -> None:
    names = {os.fsencode(path.name) for path in mount.path.iterdir()}
    assert {b"\xff\xfe not utf-8", "späße ☃".encode()} <= names
    assert (mount.path / os.fsdecode(b"\xff\xfe not utf-8")).read_bytes() == b"bytes"


@promise(9)
def test_sockets_pipes_and_devices_are_left_out_and_named(memory_volume: Volume, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", everyday_tree())
    os.mkfifo(source / "pipe")
    skipped: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(source / "socket"))
        create_version(memory_volume, source, "v1", on_skip=skipped.append)
    assert {os.fsdecode(path) for path in skipped} == {str(source / "pipe"), str(source / "socket")}
    manifest = memory_volume.version().manifest
    kinds = {manifest.path(node): stat.S_IFMT(manifest.mode[node]) for node in manifest.walk()}
    assert set(kinds) == set(full_tree(everyday_tree()))
    assert (kinds[b"a.txt"], kinds[b"deep"], kinds[b"link"]) == (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


@promise(10)
@pytest.mark.fuse
def test_permission_bits_and_times_are_kept(mount: Mount) -> None:
    found = (mount.path / "folder" / "one").stat()
    time_ns = 1_234_567_890_123_456_789
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert (found.st_mtime_ns, found.st_atime_ns, found.st_ctime_ns) == (time_ns, time_ns, time_ns)


@promise(11)
@pytest.mark.fuse
def test_everything_belongs_to_who_mounted(mount: Mount) -> None:
    states = [path.lstat() for path in mount.path.rglob("*")]
    assert {(state.st_uid, state.st_gid) for state in states} == {(os.getuid(), os.getgid())}


@promise(12)
@pytest.mark.fuse
def test_extended_attributes_are_not_kept(mount: Mount) -> None:
    file = mount.path / "a.txt"
    asked: list[Callable[[], object]] = [lambda: os.getxattr(file, "user.a"), lambda: os.listxattr(file)]
    assert [errno_of_act(act) for act in asked] == [errno.ENOTSUP] * 2


@promise(13)
@pytest.mark.fuse
def test_hard_links_are_files_of_their_own(mount: Mount) -> None:
    one, two = (mount.path / "a.txt").stat(), (mount.path / "hard").stat()
    assert one.st_ino != two.st_ino
    assert (one.st_nlink, two.st_nlink) == (1, 1)
    assert (mount.path / "hard").read_bytes() == b"alpha\n"


@promise(14)
@pytest.mark.fuse
def test_a_file_takes_as_many_blocks_as_its_size_says(mount: Mount, source: Path) -> None:
    assert (source / "holes").stat().st_blocks == 0
    found = (mount.path / "holes").stat()
    assert (found.st_size, found.st_blocks) == (1_000_000, 1954)
    assert (mount.path / "holes").read_bytes() == bytes(1_000_000)


@promise(15)
@pytest.mark.fuse
def test_a_folder_has_no_size_and_two_links(mount: Mount) -> None:
    folders = [mount.path, mount.path / "folder", mount.path / "empty-folder"]
    assert [(path.stat().st_size, path.stat().st_nlink) for path in folders] == [(0, 2)] * 3


@promise(16)
def test_listing_is_in_order_and_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    real = Manifest.name

    def counted(self: Manifest, node: int) -> bytes:
        nonlocal steps
        steps += 1
        return real(self, node)

    names = [b"%x" % Random(i).getrandbits(64) for i in range(3000)]
    with assembled(dict.fromkeys(names, b"")) as (made, _):
        monkeypatch.setattr(Manifest, "name", counted)
        found: list[bytes] = []
        while piece := list(islice(made.filesystem.children(ROOT_INO, len(found)), 10)):
            found += [name for name, _, _ in piece]
    assert found == sorted(names)
    assert steps == len(names)


@promise(17)
@pytest.mark.fuse
def test_a_path_has_the_same_inode_number_everywhere(mount: Mount, tmp_path: Path) -> None:
    other = Volume.open(str(tmp_path / "volume"))
    create_version(other, write_tree(tmp_path / "source", {b"folder/two": b"other", b"aaa": b""}), "another")
    manifest = other.version().manifest
    for path in ("folder", "folder/two"):
        node = manifest.resolve(path.encode())
        assert node is not None
        assert (mount.path / path).stat().st_ino == manifest.ino[node]
    assert (mount.path.stat().st_ino, manifest.ino[0]) == (1, 1)


@promise(18)
@pytest.mark.fuse
def test_statfs_tells_of_a_full_file_system(mount: Mount, volume: Volume) -> None:
    found = os.statvfs(mount.path)
    size = volume.version("v1").info.bytes
    assert 0 <= found.f_blocks * found.f_frsize - size < 4096
    assert (found.f_bfree, found.f_bavail, found.f_ffree) == (0, 0, 0)
    assert found.f_flag & os.ST_RDONLY
