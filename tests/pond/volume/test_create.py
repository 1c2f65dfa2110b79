"""Packing a folder into a version."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from harness.s3 import Fault, SimProcess
from pond.errors import AccessDenied, AlreadyExists, InvalidArgument, NotFound, PondError, StoreUnavailable
from pond.format import BLOCK_BYTES, PACK_HEADER_BYTES, VersionInfo, pack_header
from pond.volume import Volume, create_version, verify
from tests.pond.contents import tree_of
from tests.pond.stores import RecordingStore
from tests.pond.trees import attributes_of, everyday_tree, full_tree, read_tree, write_tree


def keys(volume: Volume) -> list[str]:
    try:
        return [info.key for info in volume.store.list("")]
    except NotFound:
        return []


@pytest.fixture(params=["file", "memory", pytest.param("s3", marks=pytest.mark.s3)])
def volume(request: pytest.FixtureRequest) -> Volume:
    if request.param == "s3":
        return Volume.open(request.getfixturevalue("s3_url"))
    found: Volume = request.getfixturevalue(f"{request.param}_volume")
    return found


def test_what_was_packed_comes_back(volume: Volume, tree: Path) -> None:
    info = create_version(volume, tree, "v1", message="first")
    contents = everyday_tree()
    files = [content for content in contents.values() if isinstance(content, bytes)]
    assert (info.files, info.bytes) == (len(files), sum(map(len, files)))
    assert (info.version, info.parent, info.message) == ("v1", None, "first")
    version = volume.version("v1")
    assert version.info == info
    assert tree_of(version) == full_tree(contents) == read_tree(tree)
    assert verify(version) == []


def test_modes_times_and_sizes_are_kept(file_volume: Volume, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", everyday_tree())
    (source / "a.txt").chmod(0o4750)
    (source / "folder").chmod(0o1777)
    os.utime(source / "empty", ns=(0, -123_456_789))
    create_version(file_volume, source, "v1")
    manifest = file_volume.version("v1").manifest
    found = {
        manifest.path(n): (
            manifest.mode[n],
            0 if manifest.is_folder(n) else manifest.size[n],
            manifest.mtime_ns[n],
        )
        for n in manifest.walk()
    }
    assert found == attributes_of(source)


def test_an_empty_folder_is_a_version(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    info = create_version(volume, tmp_path / "nothing", "v1")
    assert (info.files, info.bytes) == (0, 0)
    assert keys(volume) == ["versions/v1.manifest"]
    assert verify(volume.version()) == []


def test_a_tree_of_empty_files_and_folders_is_a_version(volume: Volume, tmp_path: Path) -> None:
    contents = {b"a": b"", b"b/c": b"", b"d": None}
    create_version(volume, write_tree(tmp_path / "source", contents), "v1")
    assert tree_of(volume.version()) == full_tree(contents)
    assert verify(volume.version()) == []


def test_packs_are_closed_at_their_size(
    memory_volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pond.volume._create.PACK_BYTES", 10_000)
    contents = {b"%02d" % i: bytes([i]) * 3000 for i in range(10)} | {b"empty": b""}
    create_version(memory_volume, write_tree(tmp_path / "source", contents), "v1")
    version = memory_volume.version()
    lengths = [version.manifest.pack(number).length for number in range(version.manifest.packs)]
    assert lengths == [PACK_HEADER_BYTES + 12_000, PACK_HEADER_BYTES + 12_000, PACK_HEADER_BYTES + 6000]
    assert tree_of(version) == contents
    starts = [bytes(version.read(number, 0, PACK_HEADER_BYTES)) for number in range(3)]
    assert starts == [pack_header()] * 3


def test_a_file_larger_than_a_pack_lies_in_several(
    memory_volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pond.volume._create.PACK_BYTES", 2 * BLOCK_BYTES)
    contents = {b"a": b"small", b"large": Random(3).randbytes(5 * BLOCK_BYTES + 7), b"z": b"last"}
    info = create_version(memory_volume, write_tree(tmp_path / "source", contents), "v1")
    version = memory_volume.version()
    lengths = [version.manifest.pack(number).length for number in range(version.manifest.packs)]
    assert lengths == [
        PACK_HEADER_BYTES + 5 + 2 * BLOCK_BYTES,
        PACK_HEADER_BYTES + 2 * BLOCK_BYTES,
        PACK_HEADER_BYTES + BLOCK_BYTES + 7 + 4,
    ]
    assert tree_of(version) == contents
    assert verify(version) == []
    assert (info.files, info.bytes) == (3, 5 * BLOCK_BYTES + 16)


def test_a_pack_holds_each_folder_s_files_before_its_folders(memory_volume: Volume, tmp_path: Path) -> None:
    contents = {b"b/2": b"4", b"b/1": b"3", b"z": b"2", b"a": b"1", b"c/d/1": b"6", b"c/e": b"5"}
    create_version(memory_volume, write_tree(tmp_path / "source", contents), "v1")
    version = memory_volume.version()
    length = version.manifest.pack(0).length - PACK_HEADER_BYTES
    assert bytes(version.read(0, PACK_HEADER_BYTES, length)) == b"123456"


def test_progress_is_told_of_every_file(memory_volume: Volume, tree: Path) -> None:
    told: list[tuple[int, int]] = []
    info = create_version(memory_volume, tree, "v1", progress=lambda files, size: told.append((files, size)))
    assert (sum(files for files, _ in told), sum(size for _, size in told)) == (info.files, info.bytes)


def test_sockets_pipes_and_devices_are_left_out_and_named(memory_volume: Volume, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", {b"file": b"x", b"folder/file": b"y"})
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(source / "folder" / "socket"))
        skipped: list[bytes] = []
        create_version(memory_volume, source, "v1", on_skip=skipped.append)
    assert skipped == [os.fsencode(source / "pipe"), os.fsencode(source / "folder" / "socket")]
    assert tree_of(memory_volume.version()) == full_tree({b"file": b"x", b"folder/file": b"y"})


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/b", "v@1", " v1", "v1 ", "v\n1", "v\x7f", "x" * 65, "☃" * 22])
def test_a_bad_name_is_refused_before_anything_is_written(
    file_volume: Volume, tree: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidArgument, match="cannot name a version"):
        create_version(file_volume, tree, name)
    assert not (tmp_path / "volume").exists()


@pytest.mark.parametrize(
    "name", [".", "..", "v.1", "a b", "%2F", "☃" * 21, "." * 64, "latest", "v1.manifest"]
)
def test_an_odd_name_is_kept_as_it_is(file_volume: Volume, tmp_path: Path, name: str) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"x"})
    create_version(file_volume, source, name)
    assert [info.version for info in file_volume.versions()] == [name]
    assert tree_of(file_volume.version(name)) == {b"a": b"x"}


def test_a_name_that_is_taken_is_refused_and_costs_nothing(
    volume: Volume, tree: Path, tmp_path: Path
) -> None:
    create_version(volume, tree, "v1")
    before = keys(volume)
    with pytest.raises(AlreadyExists, match="version 'v1' exists already; choose another name"):
        create_version(volume, write_tree(tmp_path / "other", {b"a": b"x"}), "v1")
    assert keys(volume) == before
    assert tree_of(volume.version("v1")) == read_tree(tree)


def test_a_source_that_is_not_a_folder_is_not_found(file_volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for source in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(NotFound, match="no such folder"):
            create_version(file_volume, source, "v1")
    assert not (tmp_path / "volume").exists()


@pytest.mark.parametrize("name", [".version", ".commit", ".clearcache", ".prom"])
def test_a_control_file_s_name_is_refused_in_the_root_only(
    file_volume: Volume, tmp_path: Path, name: str
) -> None:
    source = write_tree(tmp_path / "source", {b"folder/" + name.encode(): b"kept"})
    create_version(file_volume, source, "v1")
    (source / name).write_bytes(b"in the way")
    with pytest.raises(InvalidArgument, match=rf"\{name}: the name is taken by a control file"):
        create_version(file_volume, source, "v2")
    assert len(keys(file_volume)) == 2


@pytest.mark.s3
@pytest.mark.usefixtures("sim")
def test_a_bucket_that_is_not_there_is_said(tree: Path) -> None:
    with pytest.raises(NotFound, match="no such bucket"):
        create_version(Volume.open("s3://no-such-bucket/prefix"), tree, "v1")


# --- what changes meanwhile --------------------------------------------------------------------------


def _rewrite(path: Path, content: bytes) -> None:
    """Write over a file later than it was made, however coarse the file system's clock is."""
    made_ns = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(made_ns, made_ns + 10_000_000))


def _meddling(act: Callable[[], object]) -> Callable[[int, int], None]:
    """Return a progress callback that acts after the first file."""
    todo = [act]

    def progress(_files: int, _bytes: int) -> None:
        if todo:
            todo.pop()()

    return progress


@pytest.mark.parametrize("change", ["grows", "shrinks", "vanishes", "is rewritten"])
def test_a_file_that_changes_while_it_is_packed_is_named_and_nothing_is_left(
    volume: Volume, tmp_path: Path, change: str
) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"first", b"b": b"second"})
    act = {
        "grows": lambda: (source / "b").write_bytes(b"second and more"),
        "shrinks": lambda: (source / "b").write_bytes(b"s"),
        "vanishes": (source / "b").unlink,
        "is rewritten": lambda: _rewrite(source / "b", b"SECOND"),
    }[change]
    with pytest.raises(InvalidArgument, match=r"source/b: changed while it was being packed; try again"):
        create_version(volume, source, "v1", progress=_meddling(act))
    assert keys(volume) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_named(file_volume: Volume, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"first", b"b": b"second"})
    (source / "b").chmod(0)
    with pytest.raises(AccessDenied, match=r"source/b: Permission denied"):
        create_version(file_volume, source, "v1")
    assert keys(file_volume) == []


def test_an_unreadable_file_is_named_and_not_the_pack(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tree(tmp_path / "source", {b"a": b"first", b"b": b"second"})

    def broken(_descriptor: int, _length: int) -> bytes:
        raise OSError(5, "Input/output error", os.fsencode(source / "b"))

    monkeypatch.setattr("pond.volume._create._read_block", broken)
    with pytest.raises(AccessDenied, match=r"source/b: Input/output error"):
        create_version(volume, source, "v1")
    assert keys(volume) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_an_interrupted_create_leaves_no_object(
    volume: Volume, tmp_path: Path, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pond.volume._create.PACK_BYTES", 1000)  # the first pack is there already
    source = write_tree(tmp_path / "source", {b"%d" % i: b"x" * 2000 for i in range(4)})
    told = 0

    def progress(_files: int, _bytes: int) -> None:
        nonlocal told
        told += 1
        if told == 3:
            raise error

    with pytest.raises(error):
        create_version(volume, source, "v1", progress=progress)
    assert keys(volume) == []
    assert volume.versions() == []


# --- publishing --------------------------------------------------------------------------------------


class _Publishing(RecordingStore):
    """A store whose conditional put is given."""

    def __init__(self, act: Callable[[_Publishing, str, bytes], None]) -> None:
        super().__init__()
        self._act = act

    def put_if_absent(self, key: str, body: bytes) -> object:
        self._act(self, key, body)
        return self.head(key)


def _lands_but_fails(error: BaseException) -> Callable[[_Publishing, str, bytes], None]:
    def act(store: _Publishing, key: str, body: bytes) -> None:
        store.objects[key] = bytes(body)
        raise error

    return act


@pytest.mark.parametrize("error", [StoreUnavailable("no answer"), KeyboardInterrupt()])
def test_packs_of_a_version_that_may_have_been_published_are_kept(tree: Path, error: BaseException) -> None:
    volume = Volume(_Publishing(_lands_but_fails(error)))
    with pytest.raises(type(error)):
        create_version(volume, tree, "v1")
    assert tree_of(volume.version("v1")) == read_tree(tree)
    assert verify(volume.version("v1")) == []


def test_the_loser_of_a_race_for_a_name_removes_its_packs(tree: Path, tmp_path: Path) -> None:
    def another_was_first(store: _Publishing, key: str, body: bytes) -> None:
        store._act = RecordingStore.put_if_absent
        create_version(Volume(store), write_tree(tmp_path / "other", {b"a": b"theirs"}), "v1")
        raise AlreadyExists("v1")

    volume = Volume(_Publishing(another_was_first))
    with pytest.raises(AlreadyExists):
        create_version(volume, tree, "v1")
    assert tree_of(volume.version("v1")) == {b"a": b"theirs"}
    assert len(keys(volume)) == 2


@pytest.mark.s3
@pytest.mark.parametrize("kind", ["reset", "500", "503"])
def test_an_answer_that_is_lost_when_publishing_is_no_failure(
    sim: SimProcess, s3_url: str, tree: Path, kind: str
) -> None:
    volume = Volume.open(s3_url)
    sim.set_faults([Fault(kind, key="*versions/*", operation="put", count=1)])
    info = create_version(volume, tree, "v1")
    assert sim.fault_hits() == [1]
    assert volume.versions() == [info]
    assert tree_of(volume.version()) == read_tree(tree)


@pytest.mark.s3
def test_a_store_that_refuses_packs_leaves_nothing(sim: SimProcess, s3_url: str, tree: Path) -> None:
    volume = Volume.open(s3_url)
    sim.set_faults([Fault("500", key="*packs/*", operation="put", skip=0, count=100)])
    with pytest.raises(PondError, match="packs/"):
        create_version(volume, tree, "v1")
    sim.set_faults([])
    assert keys(volume) == []


# --- lineage -----------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", {b"a": b"x"})


def clock(*times: int) -> Callable[[], int]:
    ticks: Iterator[int] = iter(times)
    return lambda: next(ticks)


def make(volume: Volume, source: Path, *names: str, times: list[int] | None = None) -> list[VersionInfo]:
    now = clock(*(times or range(1000, 1000 + len(names))))
    return [create_version(volume, source, name, clock_ns=now) for name in names]


def test_the_latest_is_the_one_that_was_made_last_whatever_its_name(volume: Volume, source: Path) -> None:
    made = make(volume, source, "v9", "v10", "a")
    assert volume.versions() == made
    assert volume.latest() == made[-1]
    assert volume.version().info.version == "a"
    assert [info.parent for info in made] == [None, "v9", "v10"]


def test_a_clock_that_goes_backwards_does_not_change_the_order(volume: Volume, source: Path) -> None:
    made = make(volume, source, "one", "two", "three", times=[5000, 4000, 4500])
    assert [info.time_ns for info in made] == [5000, 5001, 5002]
    assert [info.version for info in volume.versions()] == ["one", "two", "three"]


def test_equal_trees_give_equal_digests_and_inode_numbers(memory_volume: Volume, tree: Path) -> None:
    make(memory_volume, tree, "v1", "v2")
    one, two = (memory_volume.version(name).manifest for name in ("v1", "v2"))
    assert bytes(one.entry_digest) == bytes(two.entry_digest)
    assert list(one.ino) == list(two.ino)
