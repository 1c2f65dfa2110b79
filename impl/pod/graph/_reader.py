"""The bytes of a pod while it is read: values that need no frame, and what references in the stream mean (see `_ops`)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from pod.graph import _ops as op

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Buffer

    from pod.graph._types import Source

_FLOAT: Final = struct.Struct("<d")
_COMPLEX: Final = struct.Struct("<dd")
_INT_BYTES: Final = {op.INT1: 1, op.INT2: 2, op.INT4: 4, op.INT8: 8}
_SINGLETONS: Final = {
    op.NONE: None,
    op.TRUE: True,
    op.FALSE: False,
    op.ELLIPSIS: ...,
    op.NOT_IMPLEMENTED: NotImplemented,
    op.EMPTY_TUPLE: (),
}


class Reader:
    """The chunks and blobs of one pod, read from left to right.

    `objects` are those with an ordinal; whoever builds one that has frames adds it.
    """

    __slots__ = (
        "_at",
        "_bases",
        "_blobs",
        "_chunks",
        "_data",
        "_globals",
        "_namespace",
        "_references",
        "_slots",
        "_source",
        "_start",
        "objects",
    )

    def __init__(
        self,
        streams: Iterable[Buffer],
        blobs: Sequence[tuple[int, Sequence[bytes]]],
        references: Sequence[int],
        source: Source,
        namespace: object,
    ) -> None:
        self._chunks = iter(streams)
        self._blobs = iter(blobs)
        self._references = references
        self._source = source
        self._namespace = namespace
        self._data = b""
        self._at = 0
        self._start = 0  # of the opcode that was read last
        self._bases: list[int] = []
        self._slots: list[str] = []
        self._globals: list[object] = []
        self.objects: list[Any] = []

    def opcode(self) -> int | None:
        """Read an opcode; None at the end."""
        if self._at >= len(self._data) and not self._next_chunk():
            return None
        self._start = self._at
        self._at += 1
        return self._data[self._start]

    def back(self) -> None:
        """Let the opcode that was read last be the next again."""
        self._at = self._start

    def oid(self) -> int:
        """Read which object of another pod is meant."""
        return self._references[self._varint()]

    def ordinal(self, opcode: int) -> int:
        """Read which object of this pod is meant."""
        back = self._varint() if opcode == op.REFB else 0
        return self._bases[len(self._bases) - 1 - back] + self._varint()

    def value(self, opcode: int) -> Any:
        """Read a value that needs no frame."""
        if opcode >= op.SMALL:
            return opcode - op.SMALL + op.SMALL_LEAST
        if opcode in _SINGLETONS:
            return _SINGLETONS[opcode]
        return _VALUES[opcode](self, opcode)

    def fill(self, opcode: int, obj: object) -> None:
        """Read the memory of an object into it."""
        target = self._source.memory(obj)
        length = self._varint()
        if target.nbytes != length:
            raise ValueError("an object has another size than its pod says")
        if opcode == op.FILL_INLINE:
            target[:] = self._take(length)
        else:
            _size, digests = next(self._blobs)
            self._source.blob_into(digests, target)

    def _next_chunk(self) -> bool:
        data = next(self._chunks, None)
        if data is None:
            return False
        self._data = bytes(data)  # the next one may take its memory
        self._at = 0
        self._bases.append(len(self.objects))
        self._slots = []
        self._globals = []
        return True

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _take(self, length: int) -> bytes:
        data = self._data[self._at : self._at + length]
        self._at += length
        return data

    def _text(self) -> str:
        return self._take(self._varint()).decode("utf-8", "surrogatepass")

    def _new(self, value: object) -> object:
        self.objects.append(value)
        return value

    def _int(self, opcode: int) -> int:
        size = _INT_BYTES[opcode] if opcode != op.LONG else self._varint()
        return int.from_bytes(self._take(size), "little", signed=True)

    def _float(self, _opcode: int) -> object:
        return _FLOAT.unpack(self._take(8))[0]

    def _complex(self, _opcode: int) -> complex:
        return complex(*_COMPLEX.unpack(self._take(16)))

    def _str(self, _opcode: int) -> str:
        length = self._varint()
        value = self._take(length).decode("utf-8", "surrogatepass")
        if length > op.SLOT_MOST:
            self.objects.append(value)
        elif length >= op.SLOT_LEAST:
            self._slots.append(value)
        return value

    def _sref(self, _opcode: int) -> str:
        return self._slots[self._varint()]

    def _bytes(self, _opcode: int) -> bytes:
        value = self._take(self._varint())
        if len(value) >= op.BYTES_LEAST:
            self.objects.append(value)
        return value

    def _bytearray(self, _opcode: int) -> object:
        return self._new(bytearray(self._take(self._varint())))

    def _buffer(self, _opcode: int) -> bytes | bytearray:
        writable = self._take(1)[0]
        data = self._take(self._varint())
        return bytearray(data) if writable else data

    def _blob(self, _opcode: int) -> object:
        kind = self._take(1)[0]
        length = self._varint()
        size, digests = next(self._blobs)
        data = self._source.blob(digests, size)
        if not len(data) == length == size:
            raise ValueError("a blob has another length than its pod says")
        value: object
        if kind == op.BLOB_STR:
            value = str(data, "utf-8", "surrogatepass")
        elif kind in {op.BLOB_BYTEARRAY, op.BLOB_WRITABLE}:
            value = data.obj if isinstance(data.obj, bytearray) and len(data.obj) == size else bytearray(data)
        else:
            value = bytes(data)
        return value if kind in {op.BLOB_READ_ONLY, op.BLOB_WRITABLE} else self._new(value)

    def _global(self, _opcode: int) -> object:
        value = self._source.by_name(self._text(), self._text())
        self._globals.append(value)
        return value

    def _gref(self, _opcode: int) -> object:
        return self._globals[self._varint()]

    def _the_namespace(self, _opcode: int) -> object:
        return self._namespace


_VALUES: Final[dict[int, Callable[[Reader, int], object]]] = {
    **dict.fromkeys((*_INT_BYTES, op.LONG), Reader._int),
    op.FLOAT: Reader._float,
    op.COMPLEX: Reader._complex,
    op.STR: Reader._str,
    op.SREF: Reader._sref,
    op.BYTES: Reader._bytes,
    op.BYTEARRAY: Reader._bytearray,
    op.BLOB: Reader._blob,
    op.BUFFER: Reader._buffer,
    op.GLOBAL: Reader._global,
    op.GREF: Reader._gref,
    op.NAMESPACE: Reader._the_namespace,
}
