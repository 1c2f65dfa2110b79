"""The encoder in Python: what the compiled kernel does, statement for statement, and slower by far.

It walks the graph with generators in place of recursion, so the depth of a structure is bounded by memory alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from pod.graph import _ops as op
from pod.graph._arrays import Cells
from pod.graph._atoms import ATOMS, is_atom, varint
from pod.graph._exposure import PRIVATE_DICT
from pod.graph._ledger import Ledger
from pod.graph._nesting import Nesting
from pod.graph._types import (
    APART,
    BUNDLE,
    BY_BUFFER,
    BY_CALL,
    BY_NAME,
    BY_NEW,
    FINAL,
    IMMUTABLE,
    OWN_DICT,
    SPLIT,
    STUB,
    Host,
    Pod,
    Reduced,
)
from pod.graph._writer import Frame, Writer

if TYPE_CHECKING:
    from collections.abc import Generator

    from pod.graph._exposure import Entry

_CALLS: Final = {BY_CALL: op.REDUCE, BY_NEW: op.NEW}
_FRAME_REFERENCES: Final = 3  # the frame's own, its steps', and getrefcount's argument


class Encoder(Ledger):
    """Writes objects as pods; what it knows of them from save to save is its ledger.

    Parameters
    ----------
    host
        Takes apart what the encoder does not know, and stores what it writes.
    apart_least
        Containers of so many items are shown to `host.apart`; the default shows none.
    objects
        Instances, and what the host takes apart, are shown, too.
    """

    def __init__(self, host: Host, apart_least: int = sys.maxsize, objects: bool = False) -> None:
        super().__init__()
        self._host = host
        self.namespace: object = None
        self._apart_least = apart_least
        self._shows_objects = objects
        self._shows = objects or apart_least < sys.maxsize
        self._writers: list[Writer] = []
        self._nesting = Nesting()
        self._frames: list[Frame] = []
        self._edge = 1  # 0: the value that is pushed next is counted elsewhere
        self._calls = 0  # open frames of reduced objects
        self._calls_limit = 0  # with so many, it is looked whether they would end

    def encode(self, root: object, oid: int = 0) -> list[Pod]:
        """Write an object and all below it that no pod holds yet.

        Returns
        -------
        list of Pod
            The pods written, the root's last. Its oid is `oid`, or the one that the root had, or a new one.

        Raises
        ------
        StaleMet
            The graph reaches into a pod of an earlier save that `begin` was not told of.
        Exception
            Whatever taking an object apart raised; nothing of the root is remembered then.
        """
        done: list[Pod] = []
        self._done = done
        self._nesting = Nesting()
        self._calls = 0
        self._calls_limit = op.CALLS_LIMIT
        self._start()
        try:
            writer = self._open(root, oid or self._label(root), final=False)
            self._edge = 0
            self._push(root)
            while self._frames:
                frame = self._frames[-1]
                child = next(frame.steps, self)
                if child is self:
                    self._calls -= self._frames.pop().taken_apart
                else:
                    self._push(child)
            entry = self._table.get(id(root))
            if entry is not None:
                self._root(entry, writer.pod)
            self._close()
        except BaseException:
            self._undo()
            self._writers.clear()
            self._frames.clear()
            raise
        return done

    # Pods

    def _open(self, root: object, oid: int, *, final: bool) -> Writer:
        pod = Pod(oid or self._new_oid(), self._serial)
        pod.entries = []
        first_frame = max(len(self._frames) - 1, 0)
        writer = Writer(pod, self._host.put_chunks, self._host.put_blob, first_frame, final)
        self._nesting.open(pod)
        self._writers.append(writer)
        if self._shows and not final:
            self._host.begin(root, len(self._writers) - 1)
        return writer

    def _root(self, entry: Entry, pod: Pod) -> None:
        super()._root(entry, pod)
        lies_here, has_oid = entry.pod is pod, entry.oid == pod.oid
        if lies_here is has_oid:
            return
        # It was referred to before it was whole, or took its oid along to the pod that it lies in.
        was_doubtful = pod.oid in self._doubtful
        self._nesting.rename(entry.oid if lies_here else self._new_oid())
        if was_doubtful:
            self._doubtful.add(pod.oid)

    def _close(self) -> None:
        writer = self._writers.pop()
        pod = writer.pod
        writer.flush()
        pod.objects = writer.next
        self._nesting.close()
        self._done.append(pod)

    # Objects

    def _register(self, obj: object) -> Entry:
        writer = self._writers[-1]
        entry = self._enter(obj, writer.pod, writer.next)
        writer.next += 1
        return entry

    def _refer(self, entry: Entry) -> None:
        """Write a reference to an object that was written before."""
        writer = self._writers[-1]
        if entry.pod is writer.pod:
            writer.refer(entry.ordinal)
            return
        self._name(entry)
        self._nesting.refer(entry.pod)
        pod = writer.pod
        index = writer.xrefs.setdefault(entry.oid, len(writer.xrefs))
        if index == len(pod.references):
            pod.references.append(entry.oid)
            pod.counts.append(0)
        pod.counts[index] += 1
        writer.out.append(op.XREF)
        varint(writer.out, index)

    def _push(self, obj: object) -> None:
        """Write an object at once, or open a frame for it."""
        edge, self._edge = self._edge, 1
        writer = self._writers[-1]
        if writer.target and len(writer.out) >= 8 * writer.target:
            writer.flush()
        cls = type(obj)
        if cls in ATOMS:
            writer.atom(obj)
            return
        if obj is self.namespace:
            writer.out.append(op.NAMESPACE)
            return
        if cls is tuple and not obj:
            writer.out.append(op.EMPTY_TUPLE)
            return
        entry = self._known(obj)
        if entry is not None:
            self._count(entry, edge, writer.pod)
            self._refer(entry)
            return
        frame = Frame(obj, edge)
        apart = BUNDLE
        if cls is Cells:
            steps = self._cells(frame, obj)  # type: ignore[arg-type]
        elif cls is list or cls is dict or cls is set or cls is tuple or cls is frozenset:
            steps = self._native(frame, obj)
            if len(obj) >= self._apart_least and self._frames and not self._frames[-1].tells:  # type: ignore[arg-type]
                apart = self._ask(obj)
        elif cls is bytearray:
            self._register(obj).edges += edge
            writer.bytes_of(obj)  # type: ignore[arg-type]
            return
        else:
            plain = self._plain.get(cls)
            if plain is None:
                plain = self._plain[cls] = self._host.plain(cls)
            if plain:
                apart = self._ask(obj) if self._shows_objects and self._frames else BUNDLE
                steps = self._object(frame, obj)
            else:
                reduced = self._reduce(obj)
                if reduced is None:
                    return
                steps = self._call(frame, obj, reduced)
                if self._frames and reduced.flags & APART:
                    apart = SPLIT
                elif self._frames and self._shows_objects and not reduced.flags & STUB:
                    apart = self._ask(obj)
                frame.taken_apart = frame.hands_out = frame.tells = True
        frame.steps = self._apart(frame, steps, apart) if apart else steps
        self._frames.append(frame)
        if frame.taken_apart:
            self._calls += 1
            if self._calls >= self._calls_limit:
                self._check_end()

    def _check_end(self) -> None:
        """Stop if the objects that are open and were taken apart will never end.

        That is where the last of them is among them again and again, or one after the other made the next, which nobody else
        holds. What there was before has a holder beside what handed it out.
        """
        last = self._frames[-1].obj
        repeated = made = 0
        new = lent = False
        for frame in self._frames:
            new = new and self._holders(frame) - lent == 1
            lent = not frame.taken_apart  # its steps hold a copy of what is in it
            if frame.taken_apart:
                repeated += frame.obj is last
                made += new
                new = frame.hands_out
        self._calls_limit *= 2
        if max(repeated, made) > op.REPEATS_MOST:
            raise RecursionError("what it is reduced to leads back to it without end")

    def _holders(self, frame: Frame) -> int:
        """Return how many references there are to a frame's object but its own and the encoder's."""
        entered = id(frame.obj) in self._table
        ours = _FRAME_REFERENCES + entered + (entered and frame.taken_apart)  # that is opaque, too
        return sys.getrefcount(frame.obj) - ours

    def _ask(self, obj: object) -> int:
        """Let the host decide of an object."""
        writer = self._writers[-1]
        if writer.final:
            return BUNDLE
        apart = self._host.apart(obj, len(self._writers) - 1, writer.held_bytes)
        if not BUNDLE <= apart <= FINAL:
            raise ValueError("host.apart must return BUNDLE, SPLIT or FINAL")
        return apart

    def _apart(
        self, frame: Frame, steps: Generator[object, None, None], apart: int
    ) -> Generator[object, None, None]:
        final = apart == FINAL or self._writers[-1].final
        pod = self._open(frame.obj, self._label(frame.obj), final=final).pod
        yield from steps
        entry = self._table[id(frame.obj)]
        self._root(entry, pod)
        self._close()
        self._refer(entry)

    def _reduce(self, obj: object) -> Reduced | None:
        """Take an object apart; write it at once if it has a name, or none but its bytes."""
        named = self._globals.get(id(obj))
        if named is not None:
            self._writers[-1].by_name(named[1])
            return None
        reduced = self._host.reduce(obj)
        if reduced.kind == BY_NAME:
            name = (reduced.callable, reduced.arguments)
            self._globals[id(obj)] = (obj, name)
            self._writers[-1].by_name(name)
            return None
        if reduced.kind == BY_BUFFER:
            self._writers[-1].buffer(reduced.arguments)
            return None
        self._temporaries.append(reduced)
        return reduced

    # Values that need a frame: generators that yield the values inside

    def _items(self, frame: Frame, items: list[Any], edge: int = 1) -> Generator[object, None, None]:
        frame.count = len(items)
        frame.done = 0
        while frame.done < frame.count:
            frame.done += 1
            self._begin_item(frame)
            self._edge = edge
            yield items[frame.done - 1]
            self._writers[-1].boundary(frame, self._frames)

    def _pairs(
        self, frame: Frame, pairs: list[tuple[Any, Any]], edge: int = 1
    ) -> Generator[object, None, None]:
        frame.count = len(pairs)
        frame.done = 0
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise TypeError("the dict items of a reduced object must be pairs")
            frame.done += 1
            self._begin_item(frame)
            self._edge = edge
            yield pair[0]
            self._edge = edge
            yield pair[1]
            self._writers[-1].boundary(frame, self._frames)

    def _begin_item(self, frame: Frame) -> None:
        writer = self._writers[-1]
        frame.start = writer.flushed + len(writer.out)
        frame.content = writer.content

    def _emit(self, opcode: int) -> None:
        self._writers[-1].out.append(opcode)

    def _native(self, frame: Frame, obj: Any) -> Generator[object, None, None]:
        cls = type(obj)
        if cls is list:
            self._emit(op.LIST)
            self._register(obj).edges += frame.edge
            yield from self._items(frame, list(obj))
        elif cls is dict:
            self._emit(op.DICT)
            self._register(obj).edges += frame.edge
            yield from self._pairs(frame, list(obj.items()))
        elif cls is set:
            self._emit(op.SET)
            self._register(obj).edges += frame.edge
            yield from self._items(frame, self._host.order(obj))
        else:
            self._emit(op.TUPLE if cls is tuple else op.FROZENSET)
            yield from self._items(frame, list(obj) if cls is tuple else self._host.order(obj))
            entry = self._known(obj)
            if entry is not None:
                self._same(frame, entry)
                return
            entry = self._register(obj)
            entry.edges += frame.edge
            entry.immutable = all(self._immutable(item) for item in obj)
        self._emit(op.END)

    def _cells(self, frame: Frame, cells: Cells) -> Generator[object, None, None]:
        self._emit(op.LIST)
        self._register(cells).edges += frame.edge
        flat = cells.flat()  # holds the array as long as its items are walked
        yield from self._items(frame, flat.tolist(), cells.edge)
        self._emit(op.END)

    def _immutable(self, obj: object) -> bool:
        if is_atom(obj):
            return True
        entry = self._table.get(id(obj))
        return id(obj) in self._globals if entry is None else entry.immutable

    def _same(self, frame: Frame, entry: Entry) -> None:
        self._count(entry, frame.edge, self._writers[-1].pod)
        self._emit(op.SAME)
        self._refer(entry)

    def _object(self, frame: Frame, obj: Any) -> Generator[object, None, None]:
        self._emit(op.OBJECT)
        yield type(obj)
        entry = self._known(obj)
        if entry is not None:
            self._writers[-1].next += 1  # of the object that the decoder has made by now
            self._same(frame, entry)
            return
        self._register(obj).edges += frame.edge
        yield from self._own_dict(frame, obj.__dict__, op.OBJECT, 1)
        self._emit(op.END)

    def _own_dict(
        self, frame: Frame, attributes: dict[str, Any], opcode: int, edge: int
    ) -> Generator[object, None, None]:
        # The object's own reference, this frame's, the caller's temporary and getrefcount's argument.
        if sys.getrefcount(attributes) > PRIVATE_DICT or id(attributes) in self._table:
            if not edge and sys.version_info >= (3, 13):
                # Traversal may show what lies in the dict as lying in the object: too much would be explained.
                self._doubtful.add(self._writers[-1].pod.oid)
            self._emit(op.DICT_STATE)
            self._edge = edge
            yield attributes
            return
        if opcode == op.ATTRS:
            self._emit(op.ATTRS)
        yield from self._pairs(frame, list(attributes.items()), edge)
        if opcode == op.ATTRS:
            self._emit(op.END)

    def _call(self, frame: Frame, obj: object, reduced: Reduced) -> Generator[object, None, None]:
        self._writers[-1].pod.needs.update(reduced.names)
        self._emit(_CALLS.get(reduced.kind, op.NEW_EX))
        yield reduced.callable
        yield from reduced.arguments
        entry = self._known(obj)
        if entry is not None:
            self._same(frame, entry)
            return
        self._emit(op.CALL)
        entry = self._register(obj)
        entry.edges += frame.edge
        entry.immutable = bool(reduced.flags & IMMUTABLE)
        self._opaque.append((obj, reduced.holds, self._writers[-1].pod))
        if reduced.fill:
            self._writers[-1].fill(self._host.memory(obj))
        frame.tells = False
        if reduced.items is not None:
            self._emit(op.ITEMS)
            yield from self._items(frame, reduced.items)
            self._emit(op.END)
        if reduced.pairs is not None:
            self._emit(op.PAIRS)
            yield from self._pairs(frame, reduced.pairs)
            self._emit(op.END)
        if reduced.flags & OWN_DICT:
            frame.hands_out = False
            yield from self._own_dict(frame, obj.__dict__, op.ATTRS, 0)
            frame.hands_out = True
        frame.tells = True
        if reduced.setter is not None:
            self._emit(op.SETTER)
            yield reduced.setter
            yield reduced.state
        elif reduced.state is not None:
            self._emit(op.STATE)
            yield reduced.state
        self._emit(op.END)
