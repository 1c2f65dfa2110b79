"""The decoder in Python: what the compiled kernel does, and slower.

A decoder reads one pod. It stops where it needs an object of another pod and goes on when it is given it, so that a
loader can read any number of pods that refer to each other without recursion.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from pod.graph import _ops as op
from pod.graph._reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Buffer

    from pod.graph._types import Source

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
    __slots__ = ("do", "first", "hangs", "key", "kind", "late", "needs", "obj", "values")

    def __init__(self, kind: int, do: int, first: int, obj: Any = None) -> None:
        self.kind = kind
        self.do = do
        self.first = first  # the ordinal that was the next when it was opened
        self.obj = obj
        self.values: list[Any] = []
        self.key: Any = _NOTHING
        self.late: list[Any] | None = None  # all items of a set or dict that has a key which may lack state
        self.needs: int | None = None  # the outermost frame whose object, unfinished, was met within this one
        self.hangs = False  # the next key does, on such an object

    def begin_late(self) -> None:
        """List a set's or dict's items as long as they are sound; from here on each is added to the list."""
        self.late = _items(self.obj)

    def give(self, key: Any, *value: Any) -> None:
        """Give a set or dict an item; what it cannot take yet, it is given in the end."""
        if self.hangs and self.late is None and type(key).__hash__ not in _STATELESS:
            self.begin_late()
        self.hangs = False
        try:
            if not value:
                self.obj.add(key)
            elif self.late is not None:  # keys that are not equal in the end may be now
                self.obj.setdefault(key, *value)
            else:
                self.obj[key] = value[0]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  (raised in `settle` if it is still so)
            if self.late is None:
                self.begin_late()
        if self.late is not None:
            self.late.append((key, *value) if value else key)


_NOTHING: Final = object()
_OUTSIDE: Final = -1  # in place of a frame's index: in another pod, within which this one is read
_STATELESS: Final[tuple[Any, ...]] = (object.__hash__, str.__hash__, bytes.__hash__)  # nothing can be missing


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
        streams: Iterable[Buffer],
        blobs: Sequence[tuple[int, Sequence[bytes]]],
        references: Sequence[int],
        source: Source,
        namespace: object,
    ) -> None:
        self._reader = Reader(streams, blobs, references, source, namespace)
        self._objects = self._reader.objects
        self._frames: list[_Frame] = []
        self._late: list[tuple[Any, list[Any]]] = []  # containers to look at in the end, and their items
        self._hangs = False  # what `found` is about to return does, on an object outside that is not finished
        self.hung = False
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
        """Read on; return 0 at the end, or the oid of an object that `found` did not know (it returned `missing`).

        If `hung` is true then, `settle` must follow, once what was not finished is.
        """
        reader = self._reader
        while (opcode := reader.opcode()) is not None:
            if opcode == op.XREF:
                oid = reader.oid()
                self._hangs = False
                value = found(oid)
                if value is missing:
                    reader.back()
                    return oid
                if self._hangs and self._frames:
                    self._hangs_on(_OUTSIDE)
                self._deliver(value)
            elif opcode in _STEPS:
                _STEPS[opcode](self, opcode)
            else:
                self._deliver(reader.value(opcode))
        if not self.done:
            raise ValueError("a pod's stream ends too early")
        if not self.hung:
            self.settle()
        return 0

    def hang(self) -> None:
        """Say that what `found` is about to return is not finished, or hangs on what is not."""
        self._hangs = self.hung = True

    def _open_list(self, _opcode: int) -> None:
        self._open(op.LIST, _LIST, [])

    def _open_dict(self, _opcode: int) -> None:
        self._open(op.DICT, _PAIRS, {})

    def _open_set(self, _opcode: int) -> None:
        self._open(op.SET, _SET, set())

    def _open(self, kind: int, do: int, obj: object) -> None:
        self._frames.append(_Frame(kind, do, len(self._objects), obj))
        self._objects.append(obj)

    def _open_plain(self, opcode: int) -> None:
        self._frames.append(_Frame(opcode, _CLASS if opcode == op.OBJECT else _COLLECT, len(self._objects)))

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
        self._reader.fill(opcode, self._frames[-1].obj)

    def _end(self, _opcode: int) -> None:
        frame = self._frames[-1]
        kind = frame.kind
        if kind in {op.TUPLE, op.FROZENSET}:
            made = tuple(frame.values) if kind == op.TUPLE else frozenset(frame.values)
            if kind == op.FROZENSET and frame.needs is not None:
                self._late.append((made, frame.values))
            self._close()
            self._objects.append(made)
            self._deliver(made)
        elif kind in _CALLED and frame.do != _PARTS:
            if frame.do == _APPEND:
                _extend(frame.obj, frame.values)
            frame.do = _PARTS
        else:
            if frame.late is not None:
                self._late.append((frame.obj, frame.late))
            self._close()
            self._deliver(frame.obj)

    def _close(self) -> None:
        """End the innermost frame; what it built is delivered next."""
        needs = self._frames.pop().needs
        if self._frames and needs is not None and needs < len(self._frames):
            self._hangs_on(needs)

    def _refer(self, opcode: int) -> None:
        ordinal = self._reader.ordinal(opcode)
        value = self._objects[ordinal]
        index = bisect_right(self._frames, ordinal, key=lambda frame: frame.first) - 1
        if index >= 0:
            frame = self._frames[index]
            needs = index if frame.obj is value else frame.needs
            if needs is not None:
                self._hangs_on(needs)
        self._deliver(value)

    def _hangs_on(self, index: int) -> None:
        """Note that what is delivered next hangs on a frame that is open.

        A key's `__hash__` may ask for attributes that the key does not have yet: it, or what it holds, is part of a cycle
        that is still being read. Its container takes it as well as it can, and again when the pod is read to its end.
        Whether what is delivered hangs on an object that is not finished is told as in Tarjan's search for strong
        components: a reference to one leaves its frame's index in the frame it is read in, and the least of them moves
        outward with what ends.
        """
        frame = self._frames[-1]
        frame.needs = index if frame.needs is None else min(index, frame.needs)
        if frame.key is _NOTHING:
            frame.hangs = True

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
            frame.give(value)
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
            self._close()
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
        elif frame.kind == op.DICT:
            frame.give(key, value)
        else:
            frame.obj[key] = value

    def settle(self) -> None:
        """Look at the containers again whose keys may have lacked state."""
        late, self._late = self._late, []
        for container, items in late:
            _settle(container, items)


def _settle(container: Any, items: list[Any]) -> None:
    """Hash a container's keys again. What code has added to it meanwhile stays.

    A frozenset is made only once: it is seen whether its members have the hashes that they had then.
    """
    if isinstance(container, frozenset):
        if not all(member in container for member in items):
            raise ValueError("a frozenset is part of what the hash of its members depends on")
        return
    now = _items(container)
    container.clear()
    container.update(items)
    container.update(now)


def _items(container: Any) -> list[Any]:
    return list(container.items() if type(container) is dict else container)


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
    op.REF: Decoder._refer,
    op.REFB: Decoder._refer,
    op.STATE: Decoder._part,
    op.ATTRS: Decoder._part,
    op.DICT_STATE: Decoder._part,
    op.ITEMS: Decoder._part,
    op.PAIRS: Decoder._part,
    op.SETTER: Decoder._part,
    op.FILL: Decoder._fill,
    op.FILL_INLINE: Decoder._fill,
}
