"""The bytes of packs and manifests: see ``pond.format._layout`` for the drawing."""

from pond.format._builder import ManifestBuilder, Node
from pond.format._layout import BLOCK_BYTES, DIGEST_BYTES, PACK_HEADER_BYTES, entry_count, pack_header
from pond.format._manifest import (
    ROOT,
    Extent,
    Head,
    Manifest,
    Pack,
    VersionInfo,
    head_length,
    read_head,
)

__all__ = [
    "BLOCK_BYTES",
    "DIGEST_BYTES",
    "PACK_HEADER_BYTES",
    "ROOT",
    "Extent",
    "Head",
    "Manifest",
    "ManifestBuilder",
    "Node",
    "Pack",
    "VersionInfo",
    "entry_count",
    "head_length",
    "pack_header",
    "read_head",
]
