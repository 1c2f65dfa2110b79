"""What a version or a mount holds, as a plain dictionary."""

from __future__ import annotations

import stat

from pond.volume import Version, read_file
from tests.pond.trees import Content, Link


def tree_of(version: Version) -> dict[bytes, Content]:
    """Return the tree of a version, read without a mount, digests checked."""
    manifest = version.manifest
    tree: dict[bytes, Content] = {}
    for node in manifest.walk():
        if manifest.is_folder(node):
            tree[manifest.path(node)] = None
        elif stat.S_ISLNK(manifest.mode[node]):
            tree[manifest.path(node)] = Link(manifest.target(node))
        else:
            tree[manifest.path(node)] = b"".join(read_file(version, node))
    return tree
