"""The bytes of a pack and of a manifest, format 1. All integers are little-endian.

A **pack** holds the bytes of many files::

    0    8   magic  b"\\x93PONDPAK"
    8    4   format version, u32
    12   20  zero
    32   ..  bodies of files, end to end, in the order in which a sorted walk of the tree meets them

A pack that pond did not write (a plain object) has no header: an extent is an offset into the object as it is.

A **manifest** is the index of one version. It is columnar, and every column can be used where it lies, so that a
version of a million files costs its bytes and not one Python object per file::

    0    8   magic  b"\\x93PONDMAN"
    8    4   format version, u32
    12   4   number of sections, u32
    16   8   length of the whole manifest, u64
    24   8   length of the head, u64: this header, the section table and the metadata
    32   32  BLAKE3 of the head without these 32 bytes
    64   ..  section table, 64 bytes each: name (16, zero padded), offset u64, length u64, BLAKE3 (32)
    ..   ..  metadata: JSON {version, parent, time_ns, message, files, bytes, block_bytes}
    ..   ..  the other sections, each aligned to 8 bytes

Nodes are numbered in breadth-first order, the root is 0, and the children of a folder stand together, sorted by the
bytes of their names. Entries are numbered in pack order, so that entry e+1 follows e wherever both lie in one pack.

======================  =========  ==========================================================================
section                 type       meaning
======================  =========  ==========================================================================
``name_offset``         u32[n+1]   where a node's name starts in ``names``
``names``               bytes
``parent``              u32[n]     node of the folder
``mode``                u32[n]     st_mode: kind and permission bits
``mtime_ns``            i64[n]     modification time, nanoseconds since 1970
``size``                u64[n]     file: bytes; folder: number of children; symbolic link: bytes of its target
``first``               u32[n]     file: first entry; folder: first child; symbolic link: offset in ``targets``
``ino``                 u64[n]     inode number, a hash of the path, so that it is the same in every version
``ino_order``           u32[n]     nodes sorted by ``ino``
``targets``             bytes      targets of the symbolic links
``entry_offset``        u64[m]     where an entry starts in its pack
``entry_length``        u32[m]     its bytes: a whole small file, or one block of a larger one
``entry_pack``          u32[m]
``entry_digest``        32 B[m]    BLAKE3
``pack_url_offset``     u32[p+1]   where a pack's key (inside the volume) or URL (outside) starts in ``pack_urls``
``pack_urls``           bytes
``pack_etag_offset``    u32[p+1]   likewise the etag, empty where the store has none to pin
``pack_etags``          bytes
``pack_length``         u64[p]     bytes of the object
======================  =========  ==========================================================================
"""

import sys
from typing import Final, Literal

FORMAT_VERSION: Final = 1
MANIFEST_MAGIC: Final = b"\x93PONDMAN"
PACK_MAGIC: Final = b"\x93PONDPAK"
HEADER_BYTES: Final = 64
SECTION_BYTES: Final = 64
PACK_HEADER_BYTES: Final = 32
DIGEST_BYTES: Final = 32
BLOCK_BYTES: Final = 1 << 20

COLUMNS: Final[dict[str, Literal["B", "I", "Q", "q"]]] = {
    "name_offset": "I",
    "names": "B",
    "parent": "I",
    "mode": "I",
    "mtime_ns": "q",
    "size": "Q",
    "first": "I",
    "ino": "Q",
    "ino_order": "I",
    "targets": "B",
    "entry_offset": "Q",
    "entry_length": "I",
    "entry_pack": "I",
    "entry_digest": "B",
    "pack_url_offset": "I",
    "pack_urls": "B",
    "pack_etag_offset": "I",
    "pack_etags": "B",
    "pack_length": "Q",
}

if sys.byteorder != "little":  # columns are used in place, without a conversion
    raise ImportError("pond needs a little-endian machine (x86-64, aarch64)")


def pack_header() -> bytes:
    """Return the first bytes of a pack that pond writes."""
    return PACK_MAGIC + FORMAT_VERSION.to_bytes(4, "little") + bytes(PACK_HEADER_BYTES - 12)


def entry_count(size_bytes: int) -> int:
    """Return how many entries a file of this size has: one per block, none for an empty file."""
    return -(-size_bytes // BLOCK_BYTES)
