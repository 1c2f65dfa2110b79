"""Trees of files, on disk and as plain dictionaries, and the manifests that describe them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blake3 import blake3
from hypothesis import strategies as st

from pond.format import (
    BLOCK_BYTES,
    PACK_HEADER_BYTES,
    ROOT,
    Extent,
    Manifest,
    ManifestBuilder,
    Node,
    Pack,
    VersionInfo,
    pack_header,
)
from pond.volume import Version
from tests.pond.stores import RecordingStore


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: bytes


Content = bytes | Link | None
"""Of a path: a file's bytes, a link, or None for a folder."""

PACK_KEY = "packs/0.pack"
MTIME_NS = 1_600_000_000_123_456_789


# --- on disk -----------------------------------------------------------------------------------------


def write_tree(folder: Path, tree: Mapping[bytes, Content]) -> Path:
    """Create a tree below a folder, which is created too."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in tree.items():
        full = folder / os.fsdecode(path)
        full.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            full.mkdir(exist_ok=True)
        elif isinstance(content, Link):
            full.symlink_to(os.fsdecode(content.target))
        else:
            full.write_bytes(content)
    return folder


def read_tree(folder: Path) -> dict[bytes, Content]:
    """Return what `write_tree` would need to make this tree again."""
    tree: dict[bytes, Content] = {}
    for path in _below(folder):
        inside = os.fsencode(path.relative_to(folder))
        if path.is_symlink():
            tree[inside] = Link(os.fsencode(path.readlink()))
        elif path.is_dir():
            tree[inside] = None
        else:
            tree[inside] = path.read_bytes()
    return tree


def attributes_of(folder: Path) -> dict[bytes, tuple[int, int, int]]:
    """Return mode, size (0 of folders) and modification time of every path below a folder."""
    found = {}
    for path in _below(folder):
        state = path.lstat()
        size = 0 if stat.S_ISDIR(state.st_mode) else state.st_size
        found[os.fsencode(path.relative_to(folder))] = (state.st_mode, size, state.st_mtime_ns)
    return found


def _below(folder: Path) -> Iterator[Path]:
    for base, folders, files in os.walk(folder):
        yield from (Path(base, name) for name in folders + files)


def everyday_tree() -> dict[bytes, Content]:
    """A small tree with everything in it that a tree can have."""
    random = blake3(b"everyday").digest(length=3 * BLOCK_BYTES + 5)
    return {
        b"a.txt": b"alpha\n",
        b"empty": b"",
        b"block": random[:BLOCK_BYTES],
        b"three-blocks-and-five": random,
        b"deep/er/est/file": b"deep",
        b"empty-folder": None,
        b"link": Link(b"a.txt"),
        b"dangling": Link(b"no/where"),
        b"\xff\xfe not utf-8": b"bytes",
        "späße ☃".encode(): b"snow",
        b"folder/one": b"1" * 4097,
        b"folder/two": b"2" * 100_000,
        b"folder/same as two": b"2" * 100_000,
    }


# --- as a manifest -----------------------------------------------------------------------------------


def full_tree(tree: Mapping[bytes, Content]) -> dict[bytes, Content]:
    """Return a tree with the folders that its paths imply."""
    full: dict[bytes, Content] = {}
    for path, content in tree.items():
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            full.setdefault(b"/".join(parts[:depth]), None)
        full[path] = content
    return full


def info_of(version: str = "v1", *, time_ns: int = 1, parent: str | None = None) -> VersionInfo:
    """What a version of no importance says of itself."""
    return VersionInfo(version, parent, time_ns, "", 0, 0)


def blocks_of(content: bytes) -> Iterator[bytes]:
    """Cut a file into its entries."""
    for start in range(0, len(content), BLOCK_BYTES):
        yield content[start : start + BLOCK_BYTES]


def manifest_bytes(
    tree: Mapping[bytes, Content], info: VersionInfo | None = None
) -> tuple[bytes, dict[str, bytes]]:
    """Return the manifest of a tree, and the one pack that holds its files, by key."""
    full = full_tree(tree)
    names: dict[bytes, list[bytes]] = {b"": []}
    for path, content in full.items():
        if content is None:
            names[path] = []
    for path in full:
        names[path.rpartition(b"/")[0]].append(path)
    builder = ManifestBuilder()
    pack = bytearray(pack_header())
    builder.nodes.append(Node(b"", ROOT, stat.S_IFDIR | 0o755, MTIME_NS, 0, 0))
    queue = [(ROOT, b"")]
    numbers: dict[bytes, int] = {}
    for number, folder in queue:
        children = sorted(names[folder])
        first = len(builder.nodes)
        for path in children:
            numbers[path] = len(builder.nodes)
            builder.nodes.append(_node(builder, path, number, full[path]))
            if full[path] is None:
                queue.append((numbers[path], path))
        builder.nodes[number] = replace(builder.nodes[number], first=first, size=len(children))
    for path in _depth_first(names, full):
        number = numbers[path]
        content = full[path]
        assert isinstance(content, bytes)
        builder.nodes[number] = replace(builder.nodes[number], first=builder.entries)
        for block in blocks_of(content):
            builder.add_entry(Extent(0, len(pack), len(block)), blake3(block).digest())
            pack += block
    packs = {}
    if len(pack) > PACK_HEADER_BYTES:
        builder.add_pack(Pack(PACK_KEY, "", len(pack)))
        packs[PACK_KEY] = bytes(pack)
    if info is None:
        sizes = [len(content) for content in full.values() if isinstance(content, bytes)]
        info = replace(info_of(), files=len(sizes), bytes=sum(sizes))
    return builder.render(info), packs


def _node(builder: ManifestBuilder, path: bytes, parent: int, content: Content) -> Node:
    name = path.rpartition(b"/")[2]
    if content is None:
        return Node(name, parent, stat.S_IFDIR | 0o755, MTIME_NS, 0, 0)
    if isinstance(content, Link):
        target = content.target
        return Node(name, parent, stat.S_IFLNK | 0o777, MTIME_NS, len(target), builder.add_target(target))
    return Node(name, parent, stat.S_IFREG | 0o644, MTIME_NS, len(content), 0)


def _depth_first(names: Mapping[bytes, Sequence[bytes]], full: Mapping[bytes, Content]) -> Iterator[bytes]:
    stack = [b""]
    while stack:
        children = sorted(names[stack.pop()])
        yield from (path for path in children if isinstance(full[path], bytes))
        stack.extend(path for path in reversed(children) if full[path] is None)


def version_of(tree: Mapping[bytes, Content], store: RecordingStore | None = None) -> Version:
    """Return a version in memory; its store records every GET."""
    data, packs = manifest_bytes(tree)
    store = store or RecordingStore()
    store.objects.update(packs)
    return Version(store, Manifest(data, "test"))


def recording(version: Version) -> RecordingStore:
    """Return the store of a version that `version_of` made."""
    assert isinstance(version.store, RecordingStore)
    return version.store


# --- for hypothesis ----------------------------------------------------------------------------------

_RESERVED = (b".", b"..", b".version", b".commit", b".clearcache", b".prom")

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in _RESERVED
)

_SIZES = st.sampled_from(
    [0, 1, 7, 4096, 70_000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES]
)

FILES = st.builds(lambda size, seed: blake3(bytes([seed])).digest(length=size), _SIZES, st.integers(0, 3))

LINKS = st.binary(min_size=1, max_size=30).filter(lambda target: b"\0" not in target).map(Link)


def _flatten(nested: dict[bytes, object]) -> dict[bytes, Content]:
    flat: dict[bytes, Content] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat[name] = None
            flat.update({name + b"/" + path: content for path, content in _flatten(value).items()})
        else:
            assert isinstance(value, bytes | Link)
            flat[name] = value
    return flat


TREES: st.SearchStrategy[dict[bytes, Content]] = st.dictionaries(
    NAMES,
    st.recursive(FILES | LINKS, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12),
    max_size=6,
).map(_flatten)
