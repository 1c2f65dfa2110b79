"""The bytes of a store: what a record is made of, and the files that hold them (format 1).

Values
------
`encode` turns plain values into bytes, `decode` turns them back: None, bool, int (any size), float, bytes, str, tuple,
list, dict, at most 64 deep. The bytes are the deterministic encoding of CBOR (RFC 8949, section 4.2.1), so equal values
give equal bytes in any process and any CBOR tool reads them; only that a float has always 8 bytes. A tuple is an
array, as a list is, and comes back as a list.

The log
-------
The file `00000001.pods` (its generation; `gc` begins the next one) is a header and then transactions: pieces, then an
entry. All integers are little-endian::

    header          8  "pod-log\\n"
                    4  format, 1
                    4  0
                    8  generation
                    8  BLAKE3 of the above, its first 8 bytes
    piece           4  "pie\\x01"
                    4  CRC-32 of the rest of this header
                    8  length
                   32  BLAKE3 of the bytes
                       the bytes
    entry           4  "ent\\x01"
                    4  1: the pieces were on the disk before the entry was written; else 0
                    4  length of the head
                    4  number of pieces in this transaction
                    8  length of the body
                    8  bytes of the transaction's pieces, headers included
                   32  BLAKE3 of: the headers of the pieces, head, body, the 32 bytes above
                       head
                       body: the record

    head            8  "pod-ent\\n"
                    8  number of the entry in this file, from 0
                    8  tid; 0: the entry changes refs only, or vouches for those before it
                    8  the lowest tid that the next version may get
                    8  id of the key that signed
                   32  BLAKE3 of the head before; zeros in the first
                   32  BLAKE3 of the body
                       refs that change (encoded: name -> tid, None: gone); nothing if none does
                   32  HMAC-SHA256 of the above

A transaction is whole if its entry's digest is right and, unless the entry is marked 1, its pieces' digests are: so
one sync makes a small one durable. What follows the last whole transaction is what a crash left, and is cut off.

One signature vouches for everything before it: a head names the one before, a head its body, and the records name the
pieces they need by their digests.

The other files
---------------
`durable` says up to where the log is known to be on the disk; what does not parse before that is damage, not a
crash's leftover. But for once in a generation it is written without a sync, so it may be late, and is never ahead::

    durable         8  "pod-end\\n"
                    8  generation
                    8  bytes of the log that are durable
                    8  entries in them
                   32  BLAKE3 of the above

`index` says where pieces and entries lie, so that opening does not walk through the log; it can be made anew from it::

    index           8  "pod-idx\\n"
                    8  generation
                    8  bytes of the log that it covers
                    8  p, number of pieces
                    8  e, number of entries
                   32  BLAKE3 of the above, and of all that follows
                  8 p  first 8 bytes of each digest as a number, ascending
                 32 p  the digests
                 16 p  offset of its bytes in the log, length
                 24 e  offset of the entry's header, length of its head, length of its body
                       the heads one after the other

`lock` is empty; a writer holds its lock. An exported version is a log of generation 1 with one entry.
"""

from pod.format._frames import (
    ENTRY_BYTES,
    FILE_HEADER_BYTES,
    FORMAT_VERSION,
    HINT_BYTES,
    PIECE_BYTES,
    EntryFrame,
    PieceFrame,
    pack_file_header,
    pack_hint,
    pack_piece,
    parse_entry,
    parse_file_header,
    parse_hint,
    parse_piece,
)
from pod.format._heads import NO_HEAD, EntryHead, digest_of, is_signed, pack_head, parse_head
from pod.format._values import Plain, decode, encode

__all__ = [
    "ENTRY_BYTES",
    "FILE_HEADER_BYTES",
    "FORMAT_VERSION",
    "HINT_BYTES",
    "NO_HEAD",
    "PIECE_BYTES",
    "EntryFrame",
    "EntryHead",
    "PieceFrame",
    "Plain",
    "decode",
    "digest_of",
    "encode",
    "is_signed",
    "pack_file_header",
    "pack_head",
    "pack_hint",
    "pack_piece",
    "parse_entry",
    "parse_file_header",
    "parse_head",
    "parse_hint",
    "parse_piece",
]
