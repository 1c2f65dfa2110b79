"""Plain values as bytes: the deterministic encoding of CBOR (RFC 8949, section 4.2.1), floats always in 8 bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pod.errors import Corrupt, InvalidArgument

__all__ = ["Plain", "decode", "encode"]

Plain: TypeAlias = (
    bool
    | int
    | float
    | bytes
    | bytearray
    | memoryview
    | str
    | Sequence["Plain"]
    | Mapping["Plain", "Plain"]
    | None
)

_DEEPEST = 64

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = (major << 5 for major in range(7))
_FALSE, _TRUE, _NULL, _FLOAT = 0xF4, 0xF5, 0xF6, 0xFB
_BIG, _BIG_NEGATIVE = _TAG | 2, _TAG | 3
_double = struct.Struct(">d")


def encode(value: Plain) -> bytes:
    """Turn plain values into bytes, equal values into equal ones.

    Parameters
    ----------
    value
        None, bool, int of any size, float, bytes (bytearray, memoryview), str, tuple, list or dict of these, at
        most 64 deep.

    Raises
    ------
    InvalidArgument
        It holds something else, or lies deeper.
    """
    out = bytearray()
    _encode(out, value, 0)
    return bytes(out)


def decode(data: bytes | bytearray | memoryview) -> Plain:
    """Turn bytes of `encode` back into values: an array into a list, bytes of any kind into bytes.

    Raises
    ------
    Corrupt
        These are not such bytes.
    """
    reader = _Reader(bytes(data))
    try:
        value = reader.value(0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise Corrupt(f"not an encoded value: {error}") from error
    if reader.position != len(reader.data):
        raise Corrupt("not an encoded value: bytes follow it")
    return value


def _encode(out: bytearray, value: Plain, depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidArgument(f"values more than {_DEEPEST} deep cannot be encoded")
    if value is None:
        out.append(_NULL)
    elif isinstance(value, bool):
        out.append(_TRUE if value else _FALSE)
    elif isinstance(value, int):
        _encode_int(out, value)
    elif isinstance(value, bytes):
        _head(out, _BYTES, len(value))
        out += value
    elif isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        _head(out, _TEXT, len(text))
        out += text
    elif isinstance(value, list | tuple):
        _head(out, _ARRAY, len(value))
        for item in value:
            _encode(out, item, depth + 1)
    elif isinstance(value, dict):
        items = []
        for key, item in value.items():
            encoded = bytearray()
            _encode(encoded, key, depth + 1)
            items.append((bytes(encoded), item))
        _head(out, _MAP, len(items))
        for encoded_key, item in sorted(items, key=_first):
            out += encoded_key
            _encode(out, item, depth + 1)
    elif isinstance(value, bytearray | memoryview):
        data = memoryview(value).cast("B")
        _head(out, _BYTES, len(data))
        out += data
    elif isinstance(value, float):
        out.append(_FLOAT)
        out += _double.pack(value)
    else:
        raise InvalidArgument(f"a {type(value).__qualname__} cannot be encoded: only plain values can")


def _first(item: tuple[bytes, Plain]) -> bytes:
    return item[0]


def _encode_int(out: bytearray, value: int) -> None:
    major, size = (_UINT, value) if value >= 0 else (_NEGATIVE, -1 - value)
    if size < 1 << 64:
        _head(out, major, size)
        return
    data = size.to_bytes((size.bit_length() + 7) // 8, "big")
    out.append(_BIG if major == _UINT else _BIG_NEGATIVE)
    _head(out, _BYTES, len(data))
    out += data


def _head(out: bytearray, major: int, size: int) -> None:
    if size < 24:
        out.append(major | size)
    elif size < 1 << 8:
        out += bytes((major | 24, size))
    else:
        width = 2 if size < 1 << 16 else 4 if size < 1 << 32 else 8
        out.append(major | 23 + width.bit_length())
        out += size.to_bytes(width, "big")


class _Reader:
    """Walks over encoded values."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def value(self, depth: int) -> Plain:
        first = self.data[self.position]
        self.position += 1
        if first == _NULL:
            return None
        if first in (_TRUE, _FALSE):
            return first == _TRUE
        if first == _FLOAT:
            return float(_double.unpack(self._take(8))[0])
        if depth > _DEEPEST:
            raise Corrupt(f"not an encoded value: more than {_DEEPEST} deep")
        major = first & 0xE0
        size = self._size(first & 0x1F)
        if major == _UINT:
            return size
        if major == _NEGATIVE:
            return -1 - size
        if major == _BYTES:
            return self._take(size)
        if major == _TEXT:
            return self._take(size).decode("utf-8", "surrogatepass")
        if major == _ARRAY:
            return [self.value(depth + 1) for _ in range(size)]
        if major == _MAP:
            return {self.value(depth + 1): self.value(depth + 1) for _ in range(size)}
        if first in (_BIG, _BIG_NEGATIVE):
            return self._big(first)
        raise Corrupt(f"not an encoded value: byte {first:#04x} at {self.position - 1}")

    def _big(self, first: int) -> int:
        data = self.value(_DEEPEST)
        if not isinstance(data, bytes):
            raise Corrupt("not an encoded value: a large number without its bytes")
        size = int.from_bytes(data, "big")
        return size if first == _BIG else -1 - size

    def _size(self, low: int) -> int:
        if low < 24:
            return low
        if low > 27:
            raise Corrupt(f"not an encoded value: a length of kind {low}")
        return int.from_bytes(self._take(1 << (low - 24)), "big")

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise Corrupt("not an encoded value: it ends too early")
        data = self.data[self.position : end]
        self.position = end
        return data
