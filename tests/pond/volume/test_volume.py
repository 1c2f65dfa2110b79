"""Versions of a volume: listing, loading, and what is in the way."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from harness.s3 import Fault, SimProcess
from pond.errors import CorruptData, ForeignVolume, InvalidArgument, NotFound, ObjectChanged
from pond.format import BLOCK_BYTES, ROOT, Extent, ManifestBuilder, Node, Pack
from pond.store import open_store
from pond.volume import (
    Address,
    Volume,
    check_version_name,
    create_version,
    manifest_key,
    parse_address,
    read_file,
    verify,
)
from pond.volume._address import version_of_key
from tests.pond.contents import tree_of
from tests.pond.stores import RecordingStore
from tests.pond.trees import MTIME_NS, info_of, manifest_bytes, read_tree, version_of, write_tree

# --- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket/prefix", Address("s3://bucket/prefix", None)),
        ("s3://bucket/prefix@v1", Address("s3://bucket/prefix", "v1")),
        ("s3://bucket@v1", Address("s3://bucket", "v1")),
        ("s3://bucket/me@home/prefix", Address("s3://bucket/me@home/prefix", None)),
        ("s3://bucket/me@home/prefix@v 1", Address("s3://bucket/me@home/prefix", "v 1")),
        ("s3://bucket/a@b@v1", Address("s3://bucket/a@b", "v1")),
        ("/path/to/volume@v1", Address("/path/to/volume", "v1")),
        ("volume@☃", Address("volume", "☃")),
        ("volume", Address("volume", None)),
    ],
)
def test_a_version_is_what_follows_the_last_at(text: str, address: Address) -> None:
    assert parse_address(text) == address


def test_an_address_with_an_empty_version_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="'' cannot name a version"):
        parse_address("s3://bucket/prefix@")


@given(st.text(min_size=1, max_size=64))
def test_every_name_that_is_allowed_has_a_key_of_its_own(name: str) -> None:
    try:
        check_version_name(name)
    except InvalidArgument:
        return
    key = manifest_key(name)
    assert version_of_key(key) == name
    assert len(key.removeprefix("versions/").encode()) <= 255
    assert key.removeprefix("versions/").count("/") == 0
    assert parse_address(f"s3://bucket/prefix@{name}") == Address("s3://bucket/prefix", name)


# --- listing and loading -----------------------------------------------------------------------------


def store_with(*names: str) -> RecordingStore:
    store = RecordingStore()
    for number, name in enumerate(names):
        data, packs = manifest_bytes({b"a": name.encode()}, info_of(name, time_ns=number + 1))
        store.objects.update({manifest_key(name): data, **packs})
    return store


def test_nothing_is_read_to_open_a_volume() -> None:
    store = store_with("v1")
    Volume(store)
    assert store.gets == []


def test_a_volume_without_versions_has_no_latest(memory_volume: Volume) -> None:
    assert (memory_volume.versions(), memory_volume.latest()) == ([], None)
    with pytest.raises(NotFound, match="no versions; make one with: pond create DIR memory://"):
        memory_volume.version()


def test_a_folder_that_is_not_there_is_not_found(file_volume: Volume) -> None:
    for ask in (file_volume.versions, file_volume.latest, file_volume.version):
        with pytest.raises(NotFound, match="no such folder"):
            ask()


def test_a_version_that_is_not_there_is_named_with_how_to_see_those_that_are() -> None:
    volume = Volume(store_with("v1"))
    with pytest.raises(NotFound, match=r"no version 'v2'; see them with: pond versions test://volume"):
        volume.version("v2")
    assert [volume.has("v1"), volume.has("v2")] == [True, False]


def test_listing_reads_heads_only_however_large_the_manifests_are() -> None:
    store = RecordingStore()
    for name in ("v1", "v2"):
        data, _ = manifest_bytes({b"%06d" % i: b"" for i in range(2000)}, info_of(name))
        assert len(data) > 100_000
        store.objects[manifest_key(name)] = data
    assert [info.version for info in Volume(store).versions()] == ["v1", "v2"]
    assert (len(store.gets), max(get.length for get in store.gets)) == (2, 4096)


def test_a_head_that_is_longer_than_the_guess_is_read_whole(tmp_path: Path) -> None:
    volume = Volume(RecordingStore())
    message = "long " * 5000
    create_version(volume, write_tree(tmp_path / "source", {b"a": b"x"}), "v1", message=message)
    assert [info.message for info in volume.versions()] == [message]
    assert tree_of(volume.version()) == {b"a": b"x"}


def test_a_manifest_of_many_parts_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pond.volume._volume._PART_BYTES", 1000)
    store = store_with("v1")
    data, packs = manifest_bytes({b"%04d" % i: b"%d" % i for i in range(500)})
    store.objects.update({manifest_key("v1"): data, **packs})
    assert tree_of(Volume(store).version("v1")) == {b"%04d" % i: b"%d" % i for i in range(500)}


def test_other_objects_under_the_prefix_are_no_versions() -> None:
    store = store_with("v1")
    store.objects.update({"versions/readme.txt": b"x", "versions/": b"", "notes": b"y"})
    assert [info.version for info in Volume(store).versions()] == ["v1"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: b"", "not a manifest"),
        (lambda data: data[:50], "not a manifest"),
        (lambda data: data[:200], "cut off"),
        (lambda data: data[:-8], "bytes instead of"),
        (lambda data: data + b"\0", "bytes instead of"),
        (lambda data: data[:70] + b"\xff" + data[71:], "does not match its digest"),
        (lambda data: data[:-41] + bytes([data[-41] ^ 1]) + data[-40:], "does not match its digest"),
        (lambda data: data[:8] + b"\2" + data[9:], "upgrade pond"),
    ],
)
def test_a_damaged_manifest_is_named(damage: Callable[[bytes], bytes], said: str) -> None:
    store = store_with("v1")
    store.objects[manifest_key("v1")] = damage(store.objects[manifest_key("v1")])
    with pytest.raises(CorruptData, match=said) as raised:
        Volume(store).version("v1")
    assert str(raised.value).startswith("test://volume@v1: ")


@pytest.mark.parametrize("name", ["v1", None])
def test_a_volume_of_the_published_pond_is_refused(name: str | None) -> None:
    store = RecordingStore()
    store.objects.update({"v1.volume": b"flatbuffer", "0123456789abcdef.data": b"bytes"})
    with pytest.raises(ForeignVolume, match="a volume of the published Pond"):
        Volume(store).version(name)
    with pytest.raises(ForeignVolume):
        Volume(store).versions()


def test_a_volume_of_the_published_pond_is_not_written_to(tmp_path: Path) -> None:
    store = RecordingStore()
    store.objects.update({"v1.volume": b"flatbuffer"})
    with pytest.raises(ForeignVolume):
        create_version(Volume(store), write_tree(tmp_path / "source", {b"a": b"x"}), "v2")
    assert set(store.objects) == {"v1.volume"}


# --- packs -------------------------------------------------------------------------------------------


@pytest.mark.s3
def test_a_pack_that_was_replaced_is_noticed(s3_url: str, tree: Path) -> None:
    volume = Volume.open(s3_url)
    create_version(volume, tree, "v1")
    version = volume.version()
    key = version.manifest.pack(0).url
    volume.store.put(key, [bytes(version.manifest.pack(0).length)])
    with pytest.raises(ObjectChanged, match="replaced since the version was made"):
        version.read(0, 0, 10)


@pytest.mark.s3
def test_a_wrong_byte_on_the_way_is_noticed(sim: SimProcess, s3_url: str, tree: Path) -> None:
    volume = Volume.open(s3_url)
    create_version(volume, tree, "v1")
    version = volume.version()
    node = version.manifest.resolve(b"block")
    assert node is not None
    sim.set_faults([Fault("corrupt", key="*packs/*", operation="get", count=1)])
    with pytest.raises(CorruptData, match=r"@v1: block: its bytes do not match their digest"):
        b"".join(read_file(version, node))
    assert len(b"".join(read_file(version, node))) == BLOCK_BYTES


def test_an_extent_behind_its_pack_is_refused_without_a_request() -> None:
    version = version_of({b"a": b"x" * 100})
    with pytest.raises(ObjectChanged, match="an extent ends behind its pack"):
        version.read(0, 100, 1000)
    assert isinstance(version.store, RecordingStore)
    assert version.store.gets == []


def outside_manifest(files: dict[bytes, tuple[str, bytes]]) -> bytes:
    """A version whose every file is an object of its own somewhere else."""
    builder = ManifestBuilder()
    builder.nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o755, MTIME_NS, len(files), 1))
    for number, (name, (url, content)) in enumerate(sorted(files.items())):
        builder.nodes.append(Node(name, ROOT, stat.S_IFREG | 0o444, MTIME_NS, len(content), builder.entries))
        for start in range(0, len(content), BLOCK_BYTES):
            block = content[start : start + BLOCK_BYTES]
            builder.add_entry(Extent(number, start, len(block)), blake3(block).digest())
        builder.add_pack(Pack(url, "", len(content)))
    return builder.render(info_of())


def test_a_version_over_plain_objects_elsewhere_is_read(tmp_path: Path, memory_volume: Volume) -> None:
    large = blake3(b"large").digest(length=2 * BLOCK_BYTES + 17)
    write_tree(tmp_path / "data", {b"large.bin": large, b"50% & more#1.txt": b"in a file"})
    elsewhere = memory_volume.url + "-elsewhere/deep"
    open_store(elsewhere).put("small.bin", [b"in memory"])
    files = {
        b"large": (f"file://{tmp_path}/data/large.bin", large),
        b"odd": (f"file://{tmp_path}/data/50%25 & more#1.txt", b"in a file"),
        b"small": (f"{elsewhere}/small.bin", b"in memory"),
    }
    memory_volume.store.put_if_absent(manifest_key("v1"), outside_manifest(files))
    version = memory_volume.version()
    assert tree_of(version) == {name: content for name, (_, content) in files.items()}
    assert verify(version) == []


@pytest.mark.s3
def test_a_version_in_a_folder_over_objects_in_s3_is_read(
    sim: SimProcess, s3_url: str, file_volume: Volume
) -> None:
    content = blake3(b"large").digest(length=BLOCK_BYTES + 3)
    open_store(s3_url).put("there/it is", [content])
    files = {b"name": (f"{s3_url}/there/it is", content)}
    file_volume.store.put_if_absent(manifest_key("v1"), outside_manifest(files))
    assert tree_of(file_volume.version()) == {b"name": content}


def test_a_copied_folder_is_the_same_volume(packed: Volume, tree: Path, tmp_path: Path) -> None:
    copy = Volume(RecordingStore())
    for info in packed.store.list(""):
        copy.store.put(info.key, [packed.store.get_range(info.key, 0, info.size_bytes)])
    assert copy.versions() == packed.versions()
    assert tree_of(copy.version()) == read_tree(tree)
