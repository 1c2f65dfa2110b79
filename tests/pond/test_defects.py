"""Defects of the published Pond that concern reading: for each a test that would have caught it.

The sentences in brackets are its own: see section 1.10 of what is known of it.
"""

from __future__ import annotations

import os
import stat
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import FrameType

import pytest
from blake3 import blake3

from pond.errors import CorruptData
from pond.filesystem import ROOT_INO, Filesystem
from pond.format import BLOCK_BYTES, ROOT, Extent, Manifest, ManifestBuilder, Node, Pack
from pond.metrics import Metrics, parse_metrics
from pond.mount import MountOptions, assemble
from pond.prefetch import PrefetchMode
from pond.volume import Version, Volume, create_version
from tests.pond.stores import Gate, RecordingStore
from tests.pond.trees import MTIME_NS, Content, info_of, recording, version_of, write_tree


@contextmanager
def mounted(version: Version) -> Iterator[Filesystem]:
    made = assemble(version, MountOptions(prefetch=PrefetchMode.NONE))
    try:
        yield made.filesystem
    finally:
        made.fetcher.close()


def read(fs: Filesystem, handle: int, offset: int = 0, size: int = 1 << 20) -> bytes:
    return bytes(fs.read(handle, offset, size).result(30))


def test_handle_collisions() -> None:
    """[With a higher inode open, opening one lower inode twice yields the same handle; one close breaks the other.]"""
    with mounted(version_of({b"%d" % i: b"content %d" % i for i in range(20)})) as fs:
        inos = sorted(attributes.ino for _, attributes, _ in fs.children(ROOT_INO, 0))
        highest, lower = inos[-1], inos[0]
        fs.open(highest, os.O_RDONLY)
        one, two = fs.open(lower, os.O_RDONLY), fs.open(lower, os.O_RDONLY)
        assert one != two
        content = read(fs, one)
        fs.release(one)
        assert read(fs, two) == content


def test_v9_over_v10(memory_volume: Volume, tmp_path: Path) -> None:
    """[The latest version is the lexicographically greatest.]"""
    for name in ("v9", "v10"):
        create_version(memory_volume, write_tree(tmp_path / name, {b"name": name.encode()}), name)
    assert memory_volume.version().info.version == "v10"


def test_a_version_with_a_slash_in_its_name_cannot_be_opened_as_latest(
    memory_volume: Volume, tmp_path: Path
) -> None:
    """[It is encoded twice.] Here a slash is refused; what is encoded comes back."""
    create_version(memory_volume, write_tree(tmp_path / "source", {b"a": b"x"}), "100%2Fsure. ☃")
    assert memory_volume.version().info.version == "100%2Fsure. ☃"


# --- 333,000 files -----------------------------------------------------------------------------------

MANY_FOLDERS, FILES_EACH = 400, 1000


@pytest.fixture(scope="module")
def many() -> Version:
    """A version of 400,000 small files."""
    builder = ManifestBuilder()
    nodes = builder.nodes
    nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o755, MTIME_NS, MANY_FOLDERS, 1))
    first = 1 + MANY_FOLDERS
    for folder in range(MANY_FOLDERS):
        start = first + folder * FILES_EACH
        nodes.append(Node(b"%04d" % folder, ROOT, stat.S_IFDIR | 0o755, MTIME_NS, FILES_EACH, start))
    digest = blake3(b"x").digest()
    for folder in range(MANY_FOLDERS):
        for file in range(FILES_EACH):
            nodes.append(
                Node(b"%06d.jpg" % file, 1 + folder, stat.S_IFREG | 0o644, MTIME_NS, 1, builder.entries)
            )
            builder.add_entry(Extent(0, builder.entries, 1), digest)
    files = MANY_FOLDERS * FILES_EACH
    builder.add_pack(Pack("packs/0.pack", "", files))
    store = RecordingStore()
    store.objects["packs/0.pack"] = b"x" * files
    data = builder.render(replace(info_of(), files=files, bytes=files))
    store.objects["versions/v1.manifest"] = data
    return Volume(store).version("v1")


def test_333_000_files(many: Version) -> None:
    """[More than about 333,332 files cannot be loaded.]"""
    with mounted(many) as fs:
        assert fs.usage().nodes == 400_000 + MANY_FOLDERS + 1
        folder = fs.lookup(ROOT_INO, b"0399")
        last = fs.lookup(folder.ino, b"000999.jpg")
        assert read(fs, fs.open(last.ino, os.O_RDONLY)) == b"x"
        assert fs.attributes(last.ino) == last
        assert sum(1 for _ in fs.children(folder.ino, 0)) == FILES_EACH


def test_loading_makes_no_object_for_each_file(many: Version) -> None:
    """[Metadata is parsed whole into maps at mount.]"""
    data = bytes(many.manifest._data)
    tracemalloc.start()
    try:
        manifest = Manifest(data, "test")
        node = manifest.resolve(b"0123/000456.jpg")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert node is not None
    assert peak < 100_000


def test_more_than_65_535_packs() -> None:
    """[More than 65,535 locations wrap the index silently.]"""
    builder = ManifestBuilder()
    count = 70_000
    builder.nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o755, MTIME_NS, count, 1))
    for number in range(count):
        builder.nodes.append(Node(b"%06d" % number, ROOT, stat.S_IFREG | 0o644, MTIME_NS, 1, number))
        builder.add_pack(Pack(f"objects/{number}", f'"{number}"', 1))
        builder.add_entry(Extent(number, 0, 1), bytes(32))
    manifest = Manifest(builder.render(info_of()), "test")
    for number in (0, 65_535, 65_536, count - 1):
        assert manifest.pack(manifest.extent(number).pack) == Pack(f"objects/{number}", f'"{number}"', 1)


# --- quadratic work ----------------------------------------------------------------------------------


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, names: list[str]) -> Callable[[], int]:
    """Count the calls of some methods."""
    calls = 0
    for name in names:
        real = getattr(owner, name)

        def wrapper(*args: object, real: Callable[..., object] = real) -> object:
            nonlocal calls
            calls += 1
            return real(*args)

        monkeypatch.setattr(owner, name, wrapper)
    return lambda: calls


def test_quadratic_create(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """[Create scans the list of locations for each file.]"""
    steps = {}
    for count in (200, 800):
        source = write_tree(tmp_path / str(count), {b"%d" % i: b"x" for i in range(count)})
        with monkeypatch.context() as patch:
            lines = _lines_run(patch)
            create_version(Volume(RecordingStore()), source, "v1")
            steps[count] = lines()
    assert steps[800] < 4.4 * steps[200]


def _lines_run(patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the lines of Python that are run in pond, loops and comprehensions included, in this thread."""
    lines = 0

    def trace(frame: FrameType, _event: str, _argument: object) -> Callable[..., object] | None:
        nonlocal lines
        lines += 1
        return trace if f"{os.sep}pond{os.sep}" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace)

    def stop() -> int:
        sys.settrace(before)
        return lines

    return stop


def test_quadratic_readdir(monkeypatch: pytest.MonkeyPatch) -> None:
    """[A listing begins again at each call and skips what was listed.]"""
    count = 10_000
    with mounted(version_of({b"%05d" % i: b"" for i in range(count)})) as fs:
        steps = counted(monkeypatch, Manifest, ["name", "is_folder"])
        start = found = 0
        while piece := list(islice(fs.children(ROOT_INO, start), 20)):
            found += len(piece)
            start = piece[-1][2]
        assert found == count
        assert steps() <= 2 * count


# --- bytes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 36, 64, 4095, 4096, 4097, BLOCK_BYTES + 36])
def test_eof_leak(size: int) -> None:
    """[A read at the end of a file returns up to 4,095 bytes of the next file in the pack.]"""
    files: dict[bytes, Content] = {b"a": b"a" * size, b"b": b"SECRET" * 2000}
    with mounted(version_of(files)) as fs:
        handle = fs.open(fs.lookup(ROOT_INO, b"a").ino, os.O_RDONLY)
        for offset in {0, max(0, size - 36), size, size + 1}:
            for asked in (36, 4096, 128 << 10, 2 << 20):
                assert read(fs, handle, offset, asked) == b"a" * max(0, min(asked, size - offset))


def test_no_checksums() -> None:
    """[No checksum of data or metadata: what was replaced is served silently.]"""
    version = version_of({b"a": b"the content"})
    store = recording(version)
    (key,) = store.objects
    store.objects[key] = store.objects[key].replace(b"the content", b"THE CONTENT")
    with mounted(version) as fs:
        handle = fs.open(fs.lookup(ROOT_INO, b"a").ino, os.O_RDONLY)
        with pytest.raises(CorruptData):
            read(fs, handle)
    data = bytearray(bytes(version.manifest._data))
    data[-50] ^= 1
    with pytest.raises(CorruptData):
        Manifest(data, "test")


# --- the loop ----------------------------------------------------------------------------------------


def test_a_get_stalls_everything() -> None:
    """[The FUSE loop is serial: one GET stalls every other request.]"""
    version = version_of({b"slow": b"slow", b"fast": b"fast"})
    store = recording(version)
    gate = Gate()
    offset = version.manifest.extent(1).offset
    store.before = lambda get: gate(get) if get.offset == offset else None
    with mounted(version) as fs:
        slow = fs.read(fs.open(fs.lookup(ROOT_INO, b"slow").ino, os.O_RDONLY), 0, 100)
        gate.await_arrival()
        assert read(fs, fs.open(fs.lookup(ROOT_INO, b"fast").ino, os.O_RDONLY)) == b"fast"
        assert not slow.waiting[0].done()
        gate.open()
        assert slow.result(30) == b"slow"


def test_dead_histograms() -> None:
    """[A timer is dropped at once: 163 ns are recorded for 20 ms of work.]"""
    version = version_of({b"a": b"x"})
    ticks = iter([10.0, 10.02])
    metrics: Metrics
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pond.cache._fetcher.time.perf_counter", lambda: next(ticks))
        made = assemble(version, MountOptions(prefetch=PrefetchMode.NONE))
        fs, metrics = made.filesystem, made.metrics
        assert read(fs, fs.open(fs.lookup(ROOT_INO, b"a").ino, os.O_RDONLY)) == b"x"
        made.fetcher.close()
    values = parse_metrics(metrics.render().decode())
    assert values["fetch_seconds_count"] == 1
    assert values["fetch_seconds_sum"] == pytest.approx(0.02)


def test_names_that_are_not_text_and_links_are_lost(memory_volume: Volume, tmp_path: Path) -> None:
    """[Symbolic links are skipped; names that are not UTF-8 are changed; times are those of the packing.]"""
    source = write_tree(tmp_path / "source", {b"\xff": b"x"})
    (source / "link").symlink_to("elsewhere")
    os.utime(source / os.fsdecode(b"\xff"), ns=(1, 1_234_567_890_123_456_789))
    create_version(memory_volume, source, "v1")
    manifest = memory_volume.version().manifest
    found = {manifest.name(node): node for node in manifest.walk()}
    assert set(found) == {b"\xff", b"link"}
    assert manifest.target(found[b"link"]) == b"elsewhere"
    assert manifest.mtime_ns[found[b"\xff"]] == 1_234_567_890_123_456_789
