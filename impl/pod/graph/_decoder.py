"""The decoder in Python: what the compiled kernel does, and slower.

A decoder reads one pod. It stops where it needs an object of another pod and goes on when it is given it, so that a
loader can read any number of pods that refer to each other without recursion.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any, Final

from pod.graph import _ops as op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
}

# What a frame does with the next value.
_COLLECT: Final = 0
_LIST: Final = 1
_PAIRS: Final = 2
_SET: Final = 3
_CLASS: Final = 4
_STATE: Final = 5
_OWN_DICT: Final = 6
_ATTRS: Final = 7
_APPEND: Final = 8
_SETTER: Final = 9
_PARTS: Final = 10
_SAME: Final = 11


class _Frame:
    __slots__ = ("do", "key", "kind", "late", "obj", "values")

    def __init__(self, kind: int, do: int, obj: Any = None) -> None:
        self.kind = kind
        self.do = do
        self.obj = obj
        self.values: list[Any] = []
        self.key: Any = _NOTHING
        self.late = False  # a key was put off: so are all that follow, for a dict keeps its order


_NOTHING: Final = object()


class Decoder:
    """Reads one pod.

    Parameters
    ----------
    streams
        The pod's chunks.
    blobs
        Its blobs: length and pieces' digests of each.
    references
        The oids that its XREFs mean.
    source
        Reads blobs and finds globals.
    namespace
        What NAMESPACE means.
    """

    def __init__(
        self,
        streams: Sequence[bytes],
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
        self._objects: list[Any] = []
        self._bases: list[int] = []
        self._slots: list[str] = []
        self._globals: list[object] = []
        self._frames: list[_Frame] = []
        self._late: list[tuple[Any, ...]] = []  # (container, key[, value]) that were put off
        self.root: Any = _NOTHING

    @property
    def count(self) -> int:
        """How many objects have an ordinal by now."""
        return len(self._objects)

    def made(self, ordinal: int, /) -> Any:
        """Return the object with an ordinal."""
        return self._objects[ordinal]

    @property
    def done(self) -> bool:
        """Whether the pod was read to its end."""
        return self.root is not _NOTHING

    def run(self, found: Callable[[int], object], missing: object) -> int:
        """Read on; return 0 at the end, or the oid of an object that `found` did not know (it returned `missing`)."""
        while True:
            if self._at >= len(self._data) and not self._next_chunk():
                if not self.done:
                    raise ValueError("a pod's stream ends too early")
                self._settle()
                return 0
            start = self._at
            opcode = self._data[start]
            self._at = start + 1
            if opcode == op.XREF:
                oid = self._references[self._varint()]
                value = found(oid)
                if value is missing:
                    self._at = start
                    return oid
                self._deliver(value)
            else:
                self._step(opcode)

    def _next_chunk(self) -> bool:
        data = next(self._chunks, None)
        if data is None:
            return False
        self._data = data
        self._at = 0
        self._bases.append(len(self._objects))
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

    def _step(self, opcode: int) -> None:
        if opcode >= op.SMALL:
            self._deliver(opcode - op.SMALL + op.SMALL_LEAST)
        elif opcode in _SINGLETONS:
            self._deliver(_SINGLETONS[opcode])
        else:
            _STEPS[opcode](self, opcode)

    # Atoms

    def _int(self, opcode: int) -> None:
        size = _INT_BYTES[opcode] if opcode != op.LONG else self._varint()
        self._deliver(int.from_bytes(self._take(size), "little", signed=True))

    def _float(self, _opcode: int) -> None:
        self._deliver(_FLOAT.unpack(self._take(8))[0])

    def _complex(self, _opcode: int) -> None:
        self._deliver(complex(*_COMPLEX.unpack(self._take(16))))

    def _str(self, _opcode: int) -> None:
        length = self._varint()
        value = self._take(length).decode("utf-8", "surrogatepass")
        if length > op.SLOT_MOST:
            self._objects.append(value)
        elif length >= op.SLOT_LEAST:
            self._slots.append(value)
        self._deliver(value)

    def _sref(self, _opcode: int) -> None:
        self._deliver(self._slots[self._varint()])

    def _bytes(self, _opcode: int) -> None:
        value = self._take(self._varint())
        if len(value) >= op.BYTES_LEAST:
            self._objects.append(value)
        self._deliver(value)

    def _bytearray(self, _opcode: int) -> None:
        self._new(bytearray(self._take(self._varint())))

    def _buffer(self, _opcode: int) -> None:
        writable = self._take(1)[0]
        data = self._take(self._varint())
        self._deliver(bytearray(data) if writable else data)

    def _blob(self, _opcode: int) -> None:
        kind = self._take(1)[0]
        length = self._varint()
        size, digests = next(self._blobs)
        data = self._source.blob(digests, size)
        if length != size:
            raise ValueError("a blob has another length than its pod says")
        value: Any
        if kind == op.BLOB_STR:
            value = str(data, "utf-8", "surrogatepass")
        elif kind in {op.BLOB_BYTEARRAY, op.BLOB_WRITABLE}:
            value = data.obj if isinstance(data.obj, bytearray) and len(data.obj) == size else bytearray(data)
        else:
            value = bytes(data)
        if kind in {op.BLOB_READ_ONLY, op.BLOB_WRITABLE}:
            self._deliver(value)
        else:
            self._new(value)

    def _ref(self, opcode: int) -> None:
        back = self._varint() if opcode == op.REFB else 0
        self._deliver(self._objects[self._bases[len(self._bases) - 1 - back] + self._varint()])

    def _global(self, _opcode: int) -> None:
        module = self._take(self._varint()).decode("utf-8", "surrogatepass")
        qualname = self._take(self._varint()).decode("utf-8", "surrogatepass")
        value = self._source.by_name(module, qualname)
        self._globals.append(value)
        self._deliver(value)

    def _gref(self, _opcode: int) -> None:
        self._deliver(self._globals[self._varint()])

    def _the_namespace(self, _opcode: int) -> None:
        self._deliver(self._namespace)

    def _empty_tuple(self, _opcode: int) -> None:
        self._deliver(())

    def _new(self, value: object) -> None:
        self._objects.append(value)
        self._deliver(value)

    # Frames

    def _open_list(self, _opcode: int) -> None:
        self._open(op.LIST, _LIST, [])

    def _open_dict(self, _opcode: int) -> None:
        self._open(op.DICT, _PAIRS, {})

    def _open_set(self, _opcode: int) -> None:
        self._open(op.SET, _SET, set())

    def _open(self, kind: int, do: int, obj: object) -> None:
        self._objects.append(obj)
        self._frames.append(_Frame(kind, do, obj))

    def _open_plain(self, opcode: int) -> None:
        self._frames.append(_Frame(opcode, _CLASS if opcode == op.OBJECT else _COLLECT))

    def _call(self, _opcode: int) -> None:
        frame = self._frames[-1]
        values = frame.values
        obj: Any
        if frame.kind == op.REDUCE:
            obj = values[0](*values[1:])
        elif frame.kind == op.NEW:
            obj = values[0].__new__(*values)
        else:
            obj = values[0].__new__(values[0], *values[1], **values[2])
        frame.obj = obj
        frame.values = []
        frame.do = _PARTS
        self._objects.append(obj)

    def _same(self, _opcode: int) -> None:
        self._frames[-1].do = _SAME

    def _part(self, opcode: int) -> None:
        frame = self._frames[-1]
        frame.do = _PART_DOES[opcode]
        if opcode == op.ITEMS:
            frame.values = []

    def _fill(self, opcode: int) -> None:
        target = self._source.memory(self._frames[-1].obj)
        length = self._varint()
        if target.nbytes != length:
            raise ValueError("an object has another size than its pod says")
        if opcode == op.FILL_INLINE:
            target[:] = self._take(length)
        else:
            _size, digests = next(self._blobs)
            self._source.blob_into(digests, target)

    def _end(self, _opcode: int) -> None:
        frame = self._frames[-1]
        kind = frame.kind
        if kind in {op.TUPLE, op.FROZENSET}:
            self._frames.pop()
            self._new(tuple(frame.values) if kind == op.TUPLE else frozenset(frame.values))
        elif kind in _CALLED and frame.do != _PARTS:
            if frame.do == _APPEND:
                _extend(frame.obj, frame.values)
            frame.do = _PARTS
        else:
            self._frames.pop()
            self._deliver(frame.obj)

    def _deliver(self, value: Any) -> None:
        if not self._frames:
            self.root = value
            return
        frame = self._frames[-1]
        do = frame.do
        if do in {_COLLECT, _APPEND}:
            frame.values.append(value)
        elif do == _LIST:
            frame.obj.append(value)
        elif do in {_PAIRS, _ATTRS}:
            self._pair(frame, value)
        elif do == _SET:
            try:
                frame.obj.add(value)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001  (raised in `_settle` if it is still so)
                self._late.append((frame.obj, value))
        elif do == _CLASS:
            frame.obj = object.__new__(value)
            frame.do = _ATTRS
            self._objects.append(frame.obj)
        elif do == _STATE:
            frame.do = _PARTS
            set_state(frame.obj, value)
        elif do == _OWN_DICT:
            frame.do = _ATTRS if frame.kind == op.OBJECT else _PARTS
            frame.obj.__dict__ = value
        elif do == _SETTER:
            if frame.key is _NOTHING:
                frame.key = value
            else:
                setter, frame.key = frame.key, _NOTHING
                frame.do = _PARTS
                setter(frame.obj, value)
        elif do == _SAME:
            self._frames.pop()
            self._deliver(value)
        else:
            raise ValueError("a value where a pod's stream has none")

    def _pair(self, frame: _Frame, value: Any) -> None:
        if frame.key is _NOTHING:
            frame.key = value
            return
        key, frame.key = frame.key, _NOTHING
        if frame.do == _ATTRS:
            frame.obj.__dict__[sys.intern(key) if type(key) is str else key] = value
        elif type(frame.obj) is dict:
            self._insert(frame, key, value)
        else:
            frame.obj[key] = value

    def _insert(self, frame: _Frame, key: Any, value: Any) -> None:
        """Give a dict a pair, or put it off: a key's `__hash__` may ask for attributes that the key does not have yet."""
        if not frame.late:
            try:
                frame.obj[key] = value
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001  (raised in `_settle` if it is still so)
                frame.late = True
        if frame.late:
            self._late.append((frame.obj, key, value))

    def _settle(self) -> None:
        """Give containers what was put off."""
        late, self._late = self._late, []
        for container, key, *value in late:
            if value:
                container[key] = value[0]
            else:
                container.add(key)


def _extend(obj: Any, values: list[Any]) -> None:
    extend = getattr(obj, "extend", None)
    if extend is not None:
        extend(values)
        return
    for value in values:
        obj.append(value)


def set_state(obj: Any, state: Any) -> None:
    """Give an object its state as pickle's BUILD does."""
    setter = getattr(obj, "__setstate__", None)
    if setter is not None:
        setter(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        attributes = obj.__dict__
        for key, value in state.items():
            attributes[sys.intern(key) if type(key) is str else key] = value
    if slots:
        for key, value in slots.items():
            setattr(obj, key, value)


_CALLED: Final = frozenset({op.REDUCE, op.NEW, op.NEW_EX})
_PART_DOES: Final = {
    op.STATE: _STATE,
    op.ATTRS: _ATTRS,
    op.DICT_STATE: _OWN_DICT,
    op.ITEMS: _APPEND,
    op.PAIRS: _PAIRS,
    op.SETTER: _SETTER,
}
_STEPS: Final[dict[int, Callable[[Decoder, int], None]]] = {
    op.END: Decoder._end,
    op.LONG: Decoder._int,
    op.FLOAT: Decoder._float,
    op.COMPLEX: Decoder._complex,
    op.STR: Decoder._str,
    op.SREF: Decoder._sref,
    op.BYTES: Decoder._bytes,
    op.BYTEARRAY: Decoder._bytearray,
    op.BLOB: Decoder._blob,
    op.BUFFER: Decoder._buffer,
    op.REF: Decoder._ref,
    op.REFB: Decoder._ref,
    op.GLOBAL: Decoder._global,
    op.GREF: Decoder._gref,
    op.NAMESPACE: Decoder._the_namespace,
    op.EMPTY_TUPLE: Decoder._empty_tuple,
    op.LIST: Decoder._open_list,
    op.DICT: Decoder._open_dict,
    op.SET: Decoder._open_set,
    op.TUPLE: Decoder._open_plain,
    op.FROZENSET: Decoder._open_plain,
    op.OBJECT: Decoder._open_plain,
    op.REDUCE: Decoder._open_plain,
    op.NEW: Decoder._open_plain,
    op.NEW_EX: Decoder._open_plain,
    op.CALL: Decoder._call,
    op.SAME: Decoder._same,
    op.STATE: Decoder._part,
    op.ATTRS: Decoder._part,
    op.DICT_STATE: Decoder._part,
    op.ITEMS: Decoder._part,
    op.PAIRS: Decoder._part,
    op.SETTER: Decoder._part,
    op.FILL: Decoder._fill,
    op.FILL_INLINE: Decoder._fill,
    **dict.fromkeys(_INT_BYTES, Decoder._int),
}
