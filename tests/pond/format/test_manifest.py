"""A manifest against a plain dictionary."""

from __future__ import annotations

import itertools
import stat
from dataclasses import asdict
from random import Random

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from pond.errors import CorruptData
from pond.format import (
    BLOCK_BYTES,
    ROOT,
    Extent,
    Manifest,
    ManifestBuilder,
    Node,
    Pack,
    VersionInfo,
    entry_count,
    head_length,
    read_head,
)
from tests.pond.trees import (
    NAMES,
    TREES,
    Content,
    Link,
    blocks_of,
    everyday_tree,
    full_tree,
    info_of,
    manifest_bytes,
)


def manifest_of(tree: dict[bytes, Content]) -> Manifest:
    return Manifest(manifest_bytes(tree)[0], "test")


def rebuilt(manifest: Manifest, packs: dict[str, bytes]) -> dict[bytes, Content]:
    """The tree that a manifest and its packs stand for."""
    tree: dict[bytes, Content] = {}
    for node in manifest.walk():
        if manifest.is_folder(node):
            content: Content = None
        elif stat.S_ISLNK(manifest.mode[node]):
            content = Link(manifest.target(node))
        else:
            content = b""
            for entry in manifest.file_entries(node):
                pack, offset, length = manifest.extent(entry)
                block = packs[manifest.pack(pack).url][offset : offset + length]
                assert blake3(block).digest() == manifest.digest(entry)
                content += block
        tree[manifest.path(node)] = content
    return tree


@given(TREES)
def test_a_tree_comes_back_from_its_manifest(tree: dict[bytes, Content]) -> None:
    data, packs = manifest_bytes(tree)
    assert rebuilt(Manifest(data, "test"), packs) == tree


@given(TREES, NAMES)
def test_lookup_and_resolve_find_what_is_there_and_nothing_else(
    tree: dict[bytes, Content], other: bytes
) -> None:
    manifest = manifest_of(tree)
    folders = {b"": ROOT}
    for path, content in tree.items():
        node = manifest.resolve(path)
        assert node is not None
        assert manifest.path(node) == path
        assert manifest.name(node) == path.rpartition(b"/")[2]
        if content is None:
            folders[path] = node
    for path, folder in folders.items():
        prefix = path + b"/" if path else b""
        names = [p[len(prefix) :] for p in tree if p.startswith(prefix) and b"/" not in p[len(prefix) :]]
        assert [manifest.name(child) for child in manifest.children(folder)] == sorted(names)
        assert {name: manifest.path(manifest.lookup(folder, name) or ROOT) for name in names} == {
            name: prefix + name for name in names
        }
        if other not in names:
            assert manifest.lookup(folder, other) is None
            assert manifest.resolve(prefix + other) is None


@given(TREES)
def test_entries_are_one_a_block_in_the_order_of_the_packs(tree: dict[bytes, Content]) -> None:
    manifest = manifest_of(tree)
    files = {path: content for path, content in tree.items() if isinstance(content, bytes)}
    expected = {
        path: [(len(block), blake3(block).digest()) for block in blocks_of(content)]
        for path, content in files.items()
    }
    found = {}
    for path in files:
        node = manifest.resolve(path)
        assert node is not None
        entries = manifest.file_entries(node)
        found[path] = [(manifest.extent(entry).length, manifest.digest(entry)) for entry in entries]
    assert found == expected
    assert manifest.entries == sum(map(len, expected.values()))
    extents = [manifest.extent(entry) for entry in range(manifest.entries)]
    assert all(b.offset == a.offset + a.length for a, b in itertools.pairwise(extents))


@given(TREES)
def test_inode_numbers_are_unique_and_found_again(tree: dict[bytes, Content]) -> None:
    manifest = manifest_of(tree)
    assert manifest.ino[ROOT] == 1
    assert len(set(manifest.ino)) == manifest.nodes
    assert [manifest.node_of_ino(ino) for ino in manifest.ino] == list(range(manifest.nodes))
    assert all(ino >= 32 for ino in list(manifest.ino)[1:])
    missing = next(ino for ino in range(32, 10**6) if ino not in set(manifest.ino))
    assert manifest.node_of_ino(missing) is None


@given(TREES, st.lists(NAMES, max_size=8), st.randoms())
def test_a_path_has_the_same_inode_number_in_every_version(
    tree: dict[bytes, Content], more: list[bytes], random: Random
) -> None:
    kept = {path for path in tree if random.random() < 0.7}
    other = dict.fromkeys(more, b"new") | {path: tree[path] for path in full_tree(dict.fromkeys(kept))}
    first, second = manifest_of(tree), manifest_of(other)
    for path in kept:
        a, b = first.resolve(path), second.resolve(path)
        assert a is not None
        assert b is not None
        assert first.ino[a] == second.ino[b]


def test_inode_numbers_do_not_depend_on_what_else_is_there() -> None:
    alone = manifest_of({b"deep/er/file": b"x"})
    among = manifest_of(everyday_tree() | {b"deep/er/file": b"y", b"aaa": b"", b"deep/aaa": None})
    assert alone.ino[alone.resolve(b"deep/er/file") or 0] == among.ino[among.resolve(b"deep/er/file") or 0]


def test_colliding_inode_numbers_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    class SameHash:
        def copy(self) -> SameHash:
            return self

        def update(self, _: bytes) -> None:
            pass

        def digest(self, _length: int) -> bytes:
            return b"\xff" * 8

    monkeypatch.setattr("pond.format._builder.blake3", lambda _: SameHash())
    builder = ManifestBuilder()
    builder.nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o755, 0, 3, 1))
    builder.nodes.extend(Node(name, ROOT, stat.S_IFREG | 0o644, 0, 0, 0) for name in (b"a", b"b", b"c"))
    monkeypatch.setattr("pond.format._builder._assemble", lambda _info, columns: columns["ino"])
    inos = memoryview(builder.render(info_of())).cast("Q")
    assert len(set(inos)) == 4
    assert all(ino == 1 or ino >= 32 for ino in inos)


@pytest.mark.parametrize(
    ("size", "count"),
    [(0, 0), (1, 1), (BLOCK_BYTES, 1), (BLOCK_BYTES + 1, 2), (7 * BLOCK_BYTES, 7)],
)
def test_an_entry_is_a_file_or_a_block_of_it(size: int, count: int) -> None:
    assert entry_count(size) == count


def test_a_thousand_folders_inside_each_other() -> None:
    path = b"/".join([b"d"] * 1000) + b"/file"
    manifest = manifest_of(full_tree({path: b"deep"}))
    node = manifest.resolve(path)
    assert node is not None
    assert manifest.path(node) == path
    assert sum(1 for _ in manifest.walk()) == 1001


def test_64_bit_extents_and_packs_outside_the_prefix() -> None:
    builder = ManifestBuilder()
    builder.nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o755, 0, 0, 1))
    builder.add_pack(Pack("packs/a.pack", "", 7))
    builder.add_pack(Pack("s3://elsewhere/ein Schlüssel.tar", '"etag-1"', 1 << 42))
    builder.add_entry(Extent(1, (1 << 42) - BLOCK_BYTES, BLOCK_BYTES), bytes(32))
    manifest = Manifest(builder.render(info_of()), "test")
    assert manifest.extent(0) == Extent(1, (1 << 42) - BLOCK_BYTES, BLOCK_BYTES)
    assert [manifest.pack(0), manifest.pack(1)] == [
        Pack("packs/a.pack", "", 7),
        Pack("s3://elsewhere/ein Schlüssel.tar", '"etag-1"', 1 << 42),
    ]


def test_modes_and_times_are_kept_to_the_nanosecond_before_1970_too() -> None:
    builder = ManifestBuilder()
    builder.nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o750, -1, 1, 1))
    builder.nodes.append(Node(b"f", ROOT, stat.S_IFREG | 0o4711, -(10**18) - 1, 0, 0))
    manifest = Manifest(builder.render(info_of()), "test")
    assert list(manifest.mode) == [stat.S_IFDIR | 0o750, stat.S_IFREG | 0o4711]
    assert list(manifest.mtime_ns) == [-1, -(10**18) - 1]


def test_a_version_says_who_it_is_in_its_first_bytes() -> None:
    info = VersionInfo("v 9 ☃", "v8", 10**18, "why: “because”\n", 3, 1 << 40)
    data, _ = manifest_bytes(everyday_tree(), info)
    length = head_length(data[:64], "test")
    assert length < 4096
    head = read_head(data[:length], "test")
    assert (head.info, head.total_bytes) == (info, len(data))
    assert Manifest(data, "test").info == info


# --- damage ------------------------------------------------------------------------------------------

DATA, _PACKS = manifest_bytes(
    {
        path: content[:9] if isinstance(content, bytes) else content
        for path, content in everyday_tree().items()
    }
)


def _padding() -> set[int]:
    head = read_head(DATA, "test")
    used = {i for offset, length, _ in head.sections.values() for i in range(offset, offset + length)}
    return set(range(head.head_bytes, len(DATA))) - used


PADDING = _padding()


def test_every_flipped_byte_of_a_manifest_is_noticed_unless_it_is_padding() -> None:
    unnoticed = set()
    for position in range(len(DATA)):
        damaged = bytearray(DATA)
        damaged[position] ^= 0x40
        try:
            Manifest(damaged, "test")
        except CorruptData:
            continue
        unnoticed.add(position)
    assert unnoticed == PADDING


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_whatever_a_byte_is_flipped_to_it_is_noticed(position: int, mask: int) -> None:
    damaged = bytearray(DATA)
    damaged[position] ^= mask
    if position in PADDING:
        assert Manifest(damaged, "test").nodes == Manifest(DATA, "test").nodes
    else:
        with pytest.raises(CorruptData, match=r"^test: "):
            Manifest(damaged, "test")


@given(st.integers(0, len(DATA) - 1))
def test_a_manifest_that_is_cut_off_is_noticed(length: int) -> None:
    with pytest.raises(CorruptData, match=r"^test: "):
        Manifest(DATA[:length], "test")


def test_bytes_behind_a_manifest_are_noticed() -> None:
    with pytest.raises(CorruptData, match="instead of"):
        Manifest(DATA + b"\0" * 8, "test")


def test_a_newer_format_is_refused_with_what_to_do() -> None:
    newer = bytearray(DATA)
    newer[8:12] = (2).to_bytes(4, "little")
    with pytest.raises(CorruptData, match=r"format 2.*upgrade pond"):
        Manifest(newer, "test")


def test_a_missing_section_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {name: code for name, code in _columns().items() if name != "targets"}
    monkeypatch.setattr("pond.format._builder.COLUMNS", columns)
    data, _ = manifest_bytes({b"a": b"b"})
    with pytest.raises(CorruptData, match="no section targets"):
        Manifest(data, "test")


def _columns() -> dict[str, str]:
    from pond.format._layout import COLUMNS

    return dict(COLUMNS)


def test_what_is_not_a_manifest_is_refused() -> None:
    for data in (b"", b"\x93PONDMAN", b"{}" * 40, bytes(64), bytes(4096)):
        with pytest.raises(CorruptData, match="not a manifest"):
            Manifest(data, "test")


def test_metadata_that_this_pond_does_not_know_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pond.format._builder.asdict", lambda info: asdict(info) | {"colour": "blue"})
    data, _ = manifest_bytes({b"a": b"b"})
    with pytest.raises(CorruptData, match=r"metadata.*upgrade pond"):
        Manifest(data, "test")
