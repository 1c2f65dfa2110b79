"""What was written in format 1 can be read for ever.

``golden/format-1`` is a volume of two versions: v1 with its pack; v2 with files of several blocks, whose packs lie
outside the prefix, and are not there. A later format gets a folder of its own beside it, and this one stays.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pond.format import BLOCK_BYTES, ROOT, Extent, ManifestBuilder, Node, Pack, VersionInfo
from pond.volume import Volume, read_file, verify
from tests.pond.trees import MTIME_NS, Content, Link, manifest_bytes

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "format-1"

TREE: dict[bytes, Content] = {
    b"a.txt": b"alpha\n",
    b"empty": b"",
    b"empty-folder": None,
    b"deep": None,
    b"deep/er": None,
    b"deep/er/file": b"d" * 3000,
    b"link": Link(b"deep/er/file"),
    b"\xff\xfe": b"a name that is not UTF-8\n",
    "snow ☃".encode(): b"a name that is\n",
}

INFO_1 = VersionInfo("v1", None, 1_700_000_000_000_000_001, "the first ☃", 5, 3046)
INFO_2 = VersionInfo("v2", "v1", 1_700_000_000_000_000_002, "", 2, 3 * BLOCK_BYTES + 5)


def manifest_1() -> tuple[bytes, dict[str, bytes]]:
    return manifest_bytes(TREE, INFO_1)


def manifest_2() -> bytes:
    builder = ManifestBuilder()
    builder.nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o700, MTIME_NS, 2, 1))
    builder.nodes.append(Node(b"large", ROOT, stat.S_IFREG | 0o444, -1, 2 * BLOCK_BYTES + 5, 0))
    builder.nodes.append(Node(b"small", ROOT, stat.S_IFREG | 0o600, 0, BLOCK_BYTES, 3))
    for number, length in enumerate((BLOCK_BYTES, BLOCK_BYTES, 5)):
        builder.add_entry(Extent(0, (1 << 40) + number * BLOCK_BYTES, length), bytes([number]) * 32)
    builder.add_entry(Extent(1, 0, BLOCK_BYTES), b"\xaa" * 32)
    builder.add_pack(Pack("s3://elsewhere/large.bin", '"etag"', (1 << 40) + 2 * BLOCK_BYTES + 5))
    builder.add_pack(Pack("file:///elsewhere/small.bin", "", BLOCK_BYTES))
    return builder.render(INFO_2)


@pytest.fixture
def golden() -> Volume:
    return Volume.open(str(GOLDEN))


def test_the_versions_are_listed(golden: Volume) -> None:
    assert golden.versions() == [INFO_1, INFO_2]


def test_the_tree_of_format_1_is_read(golden: Volume) -> None:
    version = golden.version("v1")
    manifest = version.manifest
    found: dict[bytes, Content] = {}
    for node in manifest.walk():
        if manifest.is_folder(node):
            found[manifest.path(node)] = None
        elif stat.S_ISLNK(manifest.mode[node]):
            found[manifest.path(node)] = Link(manifest.target(node))
        else:
            found[manifest.path(node)] = b"".join(read_file(version, node))
    assert found == TREE
    assert verify(version) == []
    assert set(manifest.mtime_ns) == {MTIME_NS}


def test_inode_numbers_of_format_1_are_what_they_were(golden: Volume) -> None:
    manifest = golden.version("v1").manifest
    numbers = {path: manifest.ino[manifest.resolve(path) or 0] for path in (b"", b"a.txt", b"deep/er/file")}
    assert numbers == {b"": 1, b"a.txt": 8416872228945475606, b"deep/er/file": 4668034931245787272}


def test_large_files_and_packs_outside_of_format_1_are_read(golden: Volume) -> None:
    manifest = golden.version().manifest
    large, small = manifest.resolve(b"large"), manifest.resolve(b"small")
    assert large is not None
    assert small is not None
    assert [manifest.extent(entry) for entry in manifest.file_entries(large)] == [
        Extent(0, 1 << 40, BLOCK_BYTES),
        Extent(0, (1 << 40) + BLOCK_BYTES, BLOCK_BYTES),
        Extent(0, (1 << 40) + 2 * BLOCK_BYTES, 5),
    ]
    assert [manifest.extent(entry) for entry in manifest.file_entries(small)] == [Extent(1, 0, BLOCK_BYTES)]
    assert manifest.pack(0) == Pack("s3://elsewhere/large.bin", '"etag"', (1 << 40) + 2 * BLOCK_BYTES + 5)
    assert manifest.pack(1) == Pack("file:///elsewhere/small.bin", "", BLOCK_BYTES)
    assert manifest.digest(3) == b"\xaa" * 32


def test_format_1_is_still_written_byte_for_byte() -> None:
    first, packs = manifest_1()
    assert first == (GOLDEN / "versions" / "v1.manifest").read_bytes()
    assert manifest_2() == (GOLDEN / "versions" / "v2.manifest").read_bytes()
    assert packs == {
        path.relative_to(GOLDEN).as_posix(): path.read_bytes() for path in (GOLDEN / "packs").iterdir()
    }


def test_another_message_is_another_manifest() -> None:
    assert manifest_bytes(TREE, replace(INFO_1, message="other"))[0] != manifest_1()[0]
