"""What a mount promises when something goes wrong."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from pond.errors import CorruptData, NotFound, ObjectChanged, PondError, StoreUnavailable
from pond.filesystem import ROOT_INO, errno_of
from pond.store import RetryPolicy
from pond.volume import Volume, create_version
from tests.pond.mounts import is_mounted, mounted, pond
from tests.pond.semantics.promises import (
    assembled,
    content,
    errno_of_act,
    ino,
    promise,
)
from tests.pond.stores import Gate, RecordingStore, failing
from tests.pond.trees import PACK_KEY, write_tree

# --- errors ---------------------------------------------------------------------------------------------


@promise(30)
def test_a_get_is_tried_eight_times_with_growing_waits_and_then_it_is_eio() -> None:
    policy = RetryPolicy()
    waits = list(policy.waits_s(lambda: 1.0))
    assert (policy.attempts, len(waits)) == (8, 7)
    assert all(longer > shorter for shorter, longer in pairwise(waits))
    assert sum(policy.waits_s(lambda: 0.0)) > 5  # a server that is started again does not end an epoch
    with assembled({b"a": b"x"}) as (made, store):
        store.before = failing(StoreUnavailable("no answer"))
        with pytest.raises(StoreUnavailable) as raised:
            content(made.filesystem, b"a")
        assert errno_of(raised.value) == errno.EIO


@promise(31)
def test_a_failure_is_not_remembered() -> None:
    with assembled({b"a": b"there again"}) as (made, store):
        store.before = failing(StoreUnavailable("no answer"), times=1)
        with pytest.raises(StoreUnavailable):
            content(made.filesystem, b"a")
        assert content(made.filesystem, b"a") == b"there again"


@promise(32)
@pytest.mark.fuse
def test_damage_is_eio_for_its_file_and_named_in_the_log(tmp_path: Path) -> None:
    volume = Volume.open(str(tmp_path / "volume"))
    files = {b"%02d" % i: Random(i).randbytes(5000) for i in range(9)}
    create_version(volume, write_tree(tmp_path / "source", files), "v1")
    manifest = volume.version().manifest
    with (tmp_path / "volume" / manifest.pack(0).url).open("r+b") as file:
        file.seek(manifest.extent(4).offset + 100)
        file.write(b"wrong")
    with mounted(volume.url, tmp_path / "mnt") as running:
        found = {path: errno_of_act((running.path / os.fsdecode(path)).read_bytes) for path in files}
        assert found == {path: errno.EIO if path == b"04" else None for path in files}
        assert re.search(r"\b04: read of \d+ bytes at \d+: .*do not match", running.log.read_text())


@promise(33)
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda store: store.objects.clear(), NotFound),
        (lambda store: store.objects.update({PACK_KEY: store.objects[PACK_KEY][:40]}), ObjectChanged),
        (lambda store: store.objects.update({PACK_KEY: bytes(5000)}), CorruptData),
    ],
)
def test_an_object_that_is_not_what_it_was_is_eio(
    change: Callable[[RecordingStore], None], error: type[PondError]
) -> None:
    with assembled({b"a": b"a" * 1000}) as (made, store):
        change(store)
        with pytest.raises(error) as raised:
            content(made.filesystem, b"a")
        assert errno_of(raised.value) == errno.EIO


@promise(34)
def test_a_get_that_stalls_holds_up_nobody_else() -> None:
    with assembled({b"slow": b"slow", b"fast": b"fast", b"other": b""}) as (made, store):
        fs = made.filesystem
        stalls = made.fetcher.version.manifest.extent(1)
        gate = Gate()
        store.before = lambda get: gate(get) if get.offset == stalls.offset else None
        slow = fs.read(fs.open(ino(fs, b"slow"), os.O_RDONLY), 0, 10)
        gate.await_arrival()
        assert content(fs, b"fast") == b"fast"
        assert len(list(fs.children(ROOT_INO, 0))) == 3
        assert not slow.waiting[0].done()
        gate.open()
        assert slow.result(30) == b"slow"


@promise(35)
def test_whoever_waits_when_a_mount_ends_gets_an_error() -> None:
    with assembled({b"a": b"x"}) as (made, store):
        store.before = gate = Gate()
        fs = made.filesystem
        read = fs.read(fs.open(ino(fs, b"a"), os.O_RDONLY), 0, 10)
        gate.await_arrival()
        threading.Thread(target=made.fetcher.close).start()
        with pytest.raises(PondError, match="the mount is being closed"):
            read.result(30)
        gate.open()


@promise(36)
@pytest.mark.fuse
def test_a_mount_whose_process_died_says_so_until_it_is_removed(volume: Volume, tmp_path: Path) -> None:
    with mounted(volume.url, tmp_path / "mnt") as running:
        running.process.kill()
        running.process.wait(30)
        assert errno_of_act(running.path.stat) == errno.ENOTCONN
        assert pond("umount", str(running.path)).returncode == 0
        assert not is_mounted(running.path)
        assert list(running.path.iterdir()) == []
