"""What the tests of the promises share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import TypeVar

from pond.filesystem import ROOT_INO, Filesystem
from pond.mount import Assembly, MountOptions, assemble
from pond.prefetch import PrefetchMode
from tests.pond.mounts import wait_until
from tests.pond.stores import RecordingStore
from tests.pond.trees import Content, recording, version_of

MIB = 1 << 20

_Test = TypeVar("_Test", bound=Callable[..., None])


def promise(number: int) -> Callable[[_Test], _Test]:
    """Say to which promise of docs/pond-semantics.md a test holds pond."""
    assert number > 0

    def cite(test: _Test) -> _Test:
        return test

    return cite


@contextmanager
def assembled(
    files: dict[bytes, Content], mode: PrefetchMode = PrefetchMode.NONE, *, cache_bytes: int = 64 * MIB
) -> Iterator[tuple[Assembly, RecordingStore]]:
    version = version_of(files)
    options = MountOptions(prefetch=mode, cache_bytes=cache_bytes, chunk_bytes=MIB, readahead_bytes=4 * MIB)
    made = assemble(version, options)
    try:
        yield made, recording(version)
    finally:
        recording(version).before = lambda _get: None
        made.fetcher.close()


def ino(fs: Filesystem, path: bytes) -> int:
    number = ROOT_INO
    for name in path.split(b"/"):
        number = fs.lookup(number, name).ino
    return number


def content(fs: Filesystem, path: bytes, offset: int = 0, size: int = 1 << 30) -> bytes:
    handle = fs.open(ino(fs, path), os.O_RDONLY)
    try:
        return bytes(fs.read(handle, offset, size).result(30))
    finally:
        fs.release(handle)


def settle(made: Assembly) -> None:
    wait_until(lambda: made.fetcher.ahead_bytes == 0, "nothing under way")


def random_files(count: int, size: int) -> dict[bytes, Content]:
    random = Random(9)
    return {b"%05d" % i: random.randbytes(size) for i in range(count)}


def errno_of_act(act: Callable[[], object]) -> int | None:
    """Return what a system call fails with."""
    try:
        act()
    except OSError as error:
        return error.errno
    return None
