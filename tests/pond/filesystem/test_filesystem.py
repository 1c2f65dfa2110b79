"""Inodes, folders, handles and reads, without a kernel."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

import pond.errors
from pond.errors import CorruptData, PondError, StoreUnavailable
from pond.filesystem import ROOT_INO, Filesystem, Usage, errno_of
from pond.format import BLOCK_BYTES, Manifest
from pond.mount import Assembly, MountOptions, assemble
from pond.prefetch import PrefetchMode
from tests.pond.stores import Gate, RecordingStore, failing
from tests.pond.trees import (
    MTIME_NS,
    TREES,
    Content,
    Link,
    everyday_tree,
    full_tree,
    recording,
    version_of,
)

LARGE = blake3(b"large").digest(length=3 * BLOCK_BYTES + 17)
READABLE: dict[bytes, Content] = {
    b"empty": b"",
    b"block": LARGE[:BLOCK_BYTES],
    b"large": LARGE,
    b"small": b"small",
    b"next in the pack": b"n" * 5000,
}


@contextmanager
def assembled(tree: dict[bytes, Content], mode: PrefetchMode = PrefetchMode.NONE) -> Iterator[Assembly]:
    made = assemble(version_of(tree), MountOptions(prefetch=mode, cache_bytes=64 << 20))
    try:
        yield made
    finally:
        made.fetcher.close()


@pytest.fixture
def everyday() -> Iterator[Assembly]:
    with assembled(everyday_tree()) as made:
        yield made


@pytest.fixture
def fs(everyday: Assembly) -> Filesystem:
    return everyday.filesystem


@pytest.fixture(scope="module")
def readable() -> Iterator[Filesystem]:
    with assembled(READABLE) as made:
        yield made.filesystem


def store_of(made: Assembly) -> RecordingStore:
    return recording(made.fetcher.version)


def ino(fs: Filesystem, path: bytes) -> int:
    number = ROOT_INO
    for name in path.split(b"/"):
        number = fs.lookup(number, name).ino
    return number


def content(fs: Filesystem, path: bytes, size: int = 1 << 30) -> bytes:
    handle = fs.open(ino(fs, path), os.O_RDONLY)
    try:
        return bytes(fs.read(handle, 0, size).result(30))
    finally:
        fs.release(handle)


@contextmanager
def refused(number: int) -> Iterator[None]:
    with pytest.raises(OSError) as raised:
        yield
    assert raised.value.errno == number
    assert raised.value.strerror == os.strerror(number)


# --- folders -----------------------------------------------------------------------------------------


def listed(fs: Filesystem, folder: int = ROOT_INO, path: bytes = b"") -> dict[bytes, Content]:
    """The whole tree, through listings and reads alone."""
    tree: dict[bytes, Content] = {}
    for name, attributes, _ in fs.children(folder, 0):
        full = path + name
        assert fs.lookup(folder, name) == attributes == fs.attributes(attributes.ino)
        if stat.S_ISDIR(attributes.mode):
            tree[full] = None
            tree.update(listed(fs, attributes.ino, full + b"/"))
        elif stat.S_ISLNK(attributes.mode):
            tree[full] = Link(fs.target(attributes.ino))
            assert attributes.size == len(fs.target(attributes.ino))
        else:
            handle = fs.open(attributes.ino, 0)
            tree[full] = bytes(fs.read(handle, 0, attributes.size + 100).result(30))
            fs.release(handle)
            assert attributes.size == len(fs.read(fs.open(attributes.ino, 0), 0, 1 << 40).result(30))
    return tree


@given(TREES)
def test_a_tree_comes_back(tree: dict[bytes, Content]) -> None:
    with assembled(tree) as made:
        assert listed(made.filesystem) == tree


def test_a_listing_goes_on_where_it_stopped(fs: Filesystem) -> None:
    whole = list(fs.children(ROOT_INO, 0))
    pieces = []
    start = 0
    while piece := list(islice(fs.children(ROOT_INO, start), 2)):
        pieces += piece
        start = piece[-1][2]
    assert pieces == whole
    assert [name for name, _, _ in whole] == sorted({path.split(b"/")[0] for path in everyday_tree()})


def test_dot_and_dot_dot(fs: Filesystem) -> None:
    deep = ino(fs, b"deep/er")
    assert fs.lookup(deep, b".").ino == deep
    assert fs.lookup(deep, b"..").ino == ino(fs, b"deep")
    assert fs.lookup(ROOT_INO, b"..").ino == ROOT_INO


@pytest.mark.parametrize(
    ("act", "number"),
    [
        (lambda fs: fs.lookup(ROOT_INO, b"none"), errno.ENOENT),
        (lambda fs: fs.lookup(ROOT_INO, b""), errno.ENOENT),
        (lambda fs: fs.lookup(ino(fs, b"a.txt"), b"x"), errno.ENOTDIR),
        (lambda fs: fs.lookup(12345, b"x"), errno.ENOENT),
        (lambda fs: list(fs.children(ino(fs, b"a.txt"), 0)), errno.ENOTDIR),
        (lambda fs: fs.attributes(12345), errno.ENOENT),
        (lambda fs: fs.target(ino(fs, b"a.txt")), errno.EINVAL),
        (lambda fs: fs.open(ino(fs, b"deep"), os.O_RDONLY), errno.EISDIR),
        (lambda fs: fs.open(12345, os.O_RDONLY), errno.ENOENT),
        (lambda fs: fs.read(99, 0, 1), errno.EBADF),
    ],
)
def test_what_cannot_be_done_says_so(
    fs: Filesystem, act: Callable[[Filesystem], object], number: int
) -> None:
    with refused(number):
        act(fs)


@pytest.mark.parametrize(
    "flags", [os.O_WRONLY, os.O_RDWR, os.O_TRUNC, os.O_APPEND, os.O_WRONLY | os.O_CREAT | os.O_TRUNC]
)
@pytest.mark.parametrize("path", [b"a.txt", b".version", b".clearcache", b".commit"])
def test_nothing_can_be_opened_for_writing(fs: Filesystem, path: bytes, flags: int) -> None:
    with refused(errno.EROFS):
        fs.open(ino(fs, path), flags)


def test_attributes_are_those_of_the_version(fs: Filesystem) -> None:
    found = fs.attributes(ino(fs, b"three-blocks-and-five"))
    assert (found.mode, found.size, found.mtime_ns) == (
        stat.S_IFREG | 0o644,
        3 * BLOCK_BYTES + 5,
        MTIME_NS,
    )
    assert (found.blocks, found.links) == (3 * BLOCK_BYTES // 512 + 1, 1)
    assert found.block_bytes == BLOCK_BYTES
    folder = fs.attributes(ino(fs, b"deep"))
    assert (folder.mode, folder.size, folder.links) == (stat.S_IFDIR | 0o755, 0, 2)
    assert fs.attributes(ino(fs, b"empty")).blocks == 0
    assert fs.target(ino(fs, b"link")) == b"a.txt"


def test_usage_is_the_version_s(fs: Filesystem) -> None:
    tree = full_tree(everyday_tree())
    size = sum(len(content) for content in tree.values() if isinstance(content, bytes))
    assert fs.usage() == Usage(size, len(tree) + 1)


# --- reads -------------------------------------------------------------------------------------------


@given(
    st.sampled_from(sorted(READABLE)),
    st.integers(0, len(LARGE) + 100)
    | st.sampled_from([n * BLOCK_BYTES + d for n in range(4) for d in (-1, 0, 1)]),
    st.integers(0, len(LARGE) + 100) | st.integers(0, 200_000),
)
def test_any_read_is_that_part_of_the_file(readable: Filesystem, path: bytes, offset: int, size: int) -> None:
    offset = max(0, offset)
    expected = READABLE[path]
    assert isinstance(expected, bytes)
    handle = readable.open(ino(readable, path), os.O_RDONLY)
    assert bytes(readable.read(handle, offset, size).result(30)) == expected[offset : offset + size]
    readable.release(handle)


def test_what_lies_behind_the_end_is_left_off(fs: Filesystem) -> None:
    handle = fs.open(ino(fs, b"a.txt"), os.O_RDONLY)
    reads = [(0, 6), (0, 4096), (3, 4096), (5, 1), (6, 1), (7, 100), (1 << 40, 1)]
    assert [bytes(fs.read(handle, *read).result(30)) for read in reads] == [
        b"alpha\n",
        b"alpha\n",
        b"ha\n",
        b"\n",
        b"",
        b"",
        b"",
    ]


def test_a_read_of_an_empty_file_asks_for_nothing(everyday: Assembly) -> None:
    assert content(everyday.filesystem, b"empty") == b""
    assert store_of(everyday).gets == []


def test_a_read_that_has_to_wait_says_for_what_and_one_that_has_not_does_not(everyday: Assembly) -> None:
    fs = everyday.filesystem
    gate = store_of(everyday).before = Gate()
    handle = fs.open(ino(fs, b"a.txt"), os.O_RDONLY)
    read = fs.read(handle, 0, 100)
    gate.await_arrival()
    assert [future.done() for future in read.waiting] == [False]
    assert fs.lookup(ROOT_INO, b"folder").ino == ino(fs, b"folder")  # nothing else waits
    gate.open()
    assert read.result(30) == b"alpha\n"
    assert fs.read(handle, 0, 100).waiting == []


def test_a_failure_is_the_read_s_and_the_next_read_tries_again(everyday: Assembly) -> None:
    fs = everyday.filesystem
    store_of(everyday).before = failing(StoreUnavailable("no answer"), times=1)
    handle = fs.open(ino(fs, b"a.txt"), os.O_RDONLY)
    with pytest.raises(StoreUnavailable):
        fs.read(handle, 0, 100).result(30)
    assert fs.read(handle, 0, 100).result(30) == b"alpha\n"


# --- handles -----------------------------------------------------------------------------------------


def test_handles_are_never_shared(fs: Filesystem) -> None:
    inos = [ino(fs, path) for path in (b"a.txt", b"folder/two", b"a.txt", b"folder/two", b"a.txt")]
    handles = [fs.open(number, os.O_RDONLY) for number in inos]
    assert len(set(handles)) == 5
    fs.release(handles[2])
    with refused(errno.EBADF):
        fs.read(handles[2], 0, 1)
    for index, expected in ((0, b"alpha\n"), (1, b"2" * 9), (3, b"2" * 9), (4, b"alpha\n")):
        assert bytes(fs.read(handles[index], 0, 9).result(30)) == expected
    assert fs.open(inos[0], os.O_RDONLY) not in handles


def test_releasing_twice_is_no_error(fs: Filesystem) -> None:
    handle = fs.open(ino(fs, b"a.txt"), os.O_RDONLY)
    fs.release(handle)
    fs.release(handle)
    with refused(errno.EBADF):
        fs.read(handle, 0, 1)


def test_an_open_file_is_known_by_its_path(fs: Filesystem) -> None:
    assert fs.path(fs.open(ino(fs, b"deep/er/est/file"), os.O_RDONLY)) == "deep/er/est/file"


# --- control files -----------------------------------------------------------------------------------


def test_control_files_are_found_and_opened_but_not_listed(fs: Filesystem) -> None:
    assert content(fs, b".version") == b"v1\n"
    assert b"# HELP pond_bytes_fetched_total" in content(fs, b".prom/pond.prom")
    assert content(fs, b".clearcache").startswith(b"cleared ")
    names = {name for name, _, _ in fs.children(ROOT_INO, 0)}
    assert {name for name in names if name.startswith(b".")} == set()
    assert list(fs.children(ino(fs, b".prom"), 0)) == []
    with refused(errno.ENOENT):
        fs.lookup(ino(fs, b".prom"), b"other")


def test_control_files_look_like_files(fs: Filesystem) -> None:
    found = {path: fs.attributes(ino(fs, path)) for path in (b".version", b".clearcache", b".commit")}
    assert {path: stat.filemode(a.mode) for path, a in found.items()} == {
        b".version": "-r--r--r--",
        b".clearcache": "-r--------",
        b".commit": "--w-------",
    }
    assert stat.filemode(fs.attributes(ino(fs, b".prom")).mode) == "dr-xr-xr-x"
    assert all(a.ino < 32 and fs.is_control(a.ino) for a in found.values())
    assert not fs.is_control(ROOT_INO)
    assert not fs.is_control(ino(fs, b"a.txt"))


def test_a_control_file_stays_what_it_was_when_it_was_opened(fs: Filesystem) -> None:
    handle = fs.open(ino(fs, b".prom/pond.prom"), os.O_RDONLY)
    before = bytes(fs.read(handle, 0, 1 << 20).result(0))
    content(fs, b"a.txt")
    assert bytes(fs.read(handle, 0, 1 << 20).result(0)) == before
    middle = bytes(fs.read(handle, 10, 20).result(0)), bytes(fs.read(handle, len(before) + 5, 20).result(0))
    assert middle == (before[10:30], b"")
    assert content(fs, b".prom/pond.prom") != before


def test_clearing_drops_the_entries_and_the_next_open_drops_the_kernel_s_pages(everyday: Assembly) -> None:
    fs = everyday.filesystem
    number = ino(fs, b"a.txt")
    assert [fs.may_keep_pages(number) for _ in range(2)] == [True, True]  # of a new mount there are none
    content(fs, b"a.txt")
    held = everyday.fetcher.cache.held_bytes
    assert content(fs, b".clearcache") == b"cleared %d bytes\n" % held
    assert everyday.fetcher.cache.held_bytes == 0
    assert [fs.may_keep_pages(number) for _ in range(2)] == [False, True]
    content(fs, b"a.txt")
    assert len(store_of(everyday).gets) == 2


# --- counting ----------------------------------------------------------------------------------------


def test_what_is_served_is_counted(everyday: Assembly) -> None:
    fs = everyday.filesystem
    content(fs, b"folder/two")
    content(fs, b"a.txt")
    content(fs, b"empty")
    text = content(fs, b".prom/pond.prom").decode()
    assert "pond_bytes_served_total 100006.0" in text
    assert "pond_reads_total 2.0" in text


def test_listing_ten_thousand_files_takes_ten_thousand_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    real = Manifest.name

    def counted(self: Manifest, node: int) -> bytes:
        nonlocal steps
        steps += 1
        return real(self, node)

    with assembled({b"%05d" % i: b"" for i in range(10_000)}) as made:
        monkeypatch.setattr(Manifest, "name", counted)
        start = names = 0
        while piece := list(islice(made.filesystem.children(ROOT_INO, start), 50)):
            names += len(piece)
            start = piece[-1][2]
    assert (names, steps) == (10_000, 10_000)


# --- errors ------------------------------------------------------------------------------------------


def test_every_error_has_an_errno() -> None:
    classes = [getattr(pond.errors, name) for name in pond.errors.__all__]
    found = {cls.__name__: errno.errorcode[errno_of(cls("x"))] for cls in classes}
    assert found == {
        "AccessDenied": "EACCES",
        "AlreadyExists": "EEXIST",
        "CorruptData": "EIO",
        "ForeignVolume": "EIO",
        "InvalidArgument": "EINVAL",
        "MountError": "EIO",
        "NoSpace": "ENOSPC",
        "NoSuchBucket": "EIO",
        "NotFound": "EIO",
        "ObjectChanged": "EIO",
        "PondError": "EIO",
        "StoreUnavailable": "EIO",
    }
    assert errno_of(ZeroDivisionError()) == errno.EIO


def test_every_error_has_a_code_of_its_own() -> None:
    classes = [getattr(pond.errors, name) for name in pond.errors.__all__]
    codes = [cls.code for cls in classes]
    assert len(set(codes)) == len(classes)
    assert all(issubclass(cls, PondError) for cls in classes)
    lines = (pond.errors.__doc__ or "").splitlines()
    for cls in classes:
        assert [line for line in lines if cls.__name__ in line and f'"{cls.code}"' in line], cls
    assert CorruptData.code == "corrupt"
