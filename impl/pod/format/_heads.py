"""The signed head of an entry; the package's docstring draws it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from pod.errors import Corrupt
from pod.format._values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from pod.format._values import Plain
    from pod.trust import Key

__all__ = ["NO_HEAD", "EntryHead", "digest_of", "is_signed", "pack_head", "parse_head"]

_MAGIC = b"pod-ent\n"
_fixed = struct.Struct("<8sQQQ8s32s32s")
_SIGNATURE_BYTES = 32

NO_HEAD = bytes(32)
"""What stands for the digest of the head before the first."""


def digest_of(data: Buffer) -> bytes:
    """Return the BLAKE3 of bytes."""
    return blake3(data).digest()


@dataclass(frozen=True, slots=True)
class EntryHead:
    """What an entry says of itself.

    Attributes
    ----------
    number
        Of the entry in its file, from 0.
    tid, next_tid
        Of its version (0: it has none, it changes refs or vouches); the lowest that the next version may get.
    key_id
        Of the key that signed.
    previous
        BLAKE3 of the head of the entry before, `NO_HEAD` for the first.
    body
        BLAKE3 of the body, the record.
    refs
        Refs changed with it: name -> tid, or None for one that is gone.
    """

    number: int
    tid: int
    next_tid: int
    key_id: bytes
    previous: bytes
    body: bytes
    refs: Mapping[str, int | None]


def pack_head(head: EntryHead, key: Key) -> bytes:
    """Return the signed bytes of a head."""
    data = _fixed.pack(_MAGIC, head.number, head.tid, head.next_tid, head.key_id, head.previous, head.body)
    if head.refs:
        refs: Plain = {name: tid for name, tid in head.refs.items()}  # noqa: C416  (another type of key)
        data += encode(refs)
    return data + key.sign(data)


def parse_head(data: bytes) -> EntryHead:
    """Return what a head says; its signature is not looked at.

    Raises
    ------
    Corrupt
        These are not such bytes.
    """
    if len(data) < _fixed.size + _SIGNATURE_BYTES or data[:8] != _MAGIC:
        raise Corrupt("not the head of an entry")
    _, number, tid, next_tid, key_id, previous, body = _fixed.unpack_from(data)
    encoded = data[_fixed.size : -_SIGNATURE_BYTES]
    refs: dict[str, int | None] = {}
    if encoded:
        decoded = decode(encoded)
        if not isinstance(decoded, dict):
            raise Corrupt("not the head of an entry: its refs are no table")
        for name, target in decoded.items():
            if not isinstance(name, str) or not isinstance(target, int | None):
                raise Corrupt("not the head of an entry: a ref is no name with a number")
            refs[name] = target
    return EntryHead(number, tid, next_tid, key_id, previous, body, refs)


def is_signed(data: bytes, key: Key) -> bool:
    """Whether the bytes of a head bear the signature of a key."""
    return key.signed(data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:])
