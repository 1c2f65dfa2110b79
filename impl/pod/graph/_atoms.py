"""Values that have no identity worth keeping, and how they are written."""

from __future__ import annotations

import struct
from typing import Any, Final

from pod.graph import _ops as op

ATOMS: Final = frozenset({int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented)})
_FLOAT: Final = struct.Struct("<d")
_COMPLEX: Final = struct.Struct("<dd")
_INTS: Final = ((op.INT1, 1), (op.INT2, 2), (op.INT4, 4), (op.INT8, 8))
_SINGLETONS: Final = {
    None: op.NONE,
    True: op.TRUE,
    False: op.FALSE,
    ...: op.ELLIPSIS,
    NotImplemented: op.NOT_IMPLEMENTED,
}
_SMALL_BYTES: Final = 256


def is_atom(value: object) -> bool:
    """Say whether a value is one whose identity is not kept."""
    return type(value) in ATOMS or (type(value) is tuple and not value)


def encode_atom(value: Any) -> bytes | None:
    """Return a small atom's stream, None for anything else."""
    out = bytearray()
    if type(value) is str or type(value) is bytes:
        if len(value) > _SMALL_BYTES:
            return None
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        out.append(op.BYTES if type(value) is bytes else op.STR)
        varint(out, len(data))
        out += data
    elif type(value) is tuple and not value:
        out.append(op.EMPTY_TUPLE)
    elif type(value) in ATOMS:
        if type(value) is int and value.bit_length() > 8 * _SMALL_BYTES:
            return None
        write_number(out, value)
    else:
        return None
    return bytes(out)


def write_number(out: bytearray, value: Any) -> None:
    """Write an atom that is neither str nor bytes."""
    cls = type(value)
    if cls is int:
        _write_int(out, value)
    elif cls is float:
        out.append(op.FLOAT)
        out += _FLOAT.pack(value)
    elif cls is complex:
        out.append(op.COMPLEX)
        out += _COMPLEX.pack(value.real, value.imag)
    else:
        out.append(_SINGLETONS[value])


def _write_int(out: bytearray, value: int) -> None:
    if op.SMALL_LEAST <= value <= op.SMALL_MOST:
        out.append(op.SMALL + value - op.SMALL_LEAST)
        return
    bits = (value if value >= 0 else ~value).bit_length() + 1
    for opcode, size in _INTS:
        if bits <= 8 * size:
            out.append(opcode)
            out += value.to_bytes(size, "little", signed=True)
            return
    size = (bits + 7) // 8
    out.append(op.LONG)
    varint(out, size)
    out += value.to_bytes(size, "little", signed=True)


def varint(out: bytearray, value: int) -> None:
    """Write a length or an index."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
