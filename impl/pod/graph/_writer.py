"""The bytes of a pod while it is written: values that need no frame, and where chunks end (see `_ops`)."""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from pod.graph import _ops as op
from pod.graph._atoms import varint, write_number

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from pod.graph._types import Pod

_MASK: Final = (1 << 64) - 1
_WORDS: Final = struct.Struct("<QQQQ")


class Frame:
    """A value being written, and how far it is."""

    __slots__ = (
        "content",
        "count",
        "done",
        "edge",
        "hands_out",
        "obj",
        "start",
        "steps",
        "taken_apart",
        "tells",
    )

    def __init__(self, obj: object, edge: int) -> None:
        self.obj = obj
        self.taken_apart = False
        self.hands_out = False  # what is below it is what it was taken apart to
        self.tells = False  # so it is, and what is directly below it need not last
        self.done = 0
        self.count = 0
        self.edge = edge
        self.start = 0
        self.content = 0
        self.steps: Generator[object, None, None]


class Writer:
    """The bytes of one open pod, cut into chunks.

    `put_chunks` and `put_blob` store chunks and a large buffer.
    """

    __slots__ = (
        "_put_blob",
        "_put_chunks",
        "bases",
        "content",
        "final",
        "first_frame",
        "flushed",
        "globals",
        "long",
        "next",
        "out",
        "pod",
        "slots",
        "target",
        "xrefs",
    )

    def __init__(
        self,
        pod: Pod,
        put_chunks: Callable[[list[bytes]], list[bytes]],
        put_blob: Callable[[Any], list[bytes]],
        first_frame: int,
        final: bool,
    ) -> None:
        self.pod = pod
        self.first_frame = first_frame  # where its frames begin among those that are open
        self.final = final  # nothing below it is shown to the host
        self._put_chunks = put_chunks
        self._put_blob = put_blob
        self.out = bytearray()
        self.flushed = 0
        self.content = 0  # of all atoms written, however they were: in full or as a reference
        self.next = 0
        self.bases = [0]
        self.target = 0
        self.slots: dict[str, int] = {}
        self.globals: dict[tuple[str, str], int] = {}
        self.long: dict[int, tuple[object, int]] = {}
        self.xrefs: dict[int, int] = {}

    @property
    def held_bytes(self) -> int:
        """How much of the pod is written."""
        return self.pod.size_bytes + len(self.out)

    def flush(self) -> None:
        """End the chunk."""
        if self.out:
            self.pod.streams += self._put_chunks([bytes(self.out)])
            self.pod.size_bytes += len(self.out)
        self.flushed += len(self.out)
        self.out = bytearray()
        self.bases.append(self.next)
        self.slots.clear()
        self.globals.clear()

    def boundary(self, frame: Frame, frames: Sequence[Frame]) -> None:
        """End the chunk after a frame's item if the item says so."""
        out = self.out
        if not self.target:
            if self.flushed + len(out) < op.TARGET_LEAST:
                return
            self._aim(frames[self.first_frame :])
        target = self.target
        while target > op.TARGET_LEAST and self.flushed < op.HEAD * target:
            target //= 2
        if len(out) * 4 < target:
            return
        length = len(out) - max(0, frame.start - self.flushed)
        content = (self.content - frame.content) & _MASK
        if (
            _cuts(content, length, len(out), target)
            or len(out) >= 8 * target
            or (len(out) >= 4 * target and (frame.done % op.ALIGNED == 0 or length * op.ALIGNED >= target))
        ):
            self.flush()

    def _aim(self, frames: Sequence[Frame]) -> None:
        """Choose the size of the pod's chunks from how far its containers are that are open."""
        guess = self.flushed + len(self.out)
        known = False
        for frame in frames:
            if frame.count >= 8 and frame.done:
                known = True
                guess = min(guess * frame.count // frame.done, 1 << 40)
        if not known or guess >= op.LARGE:
            self.target = op.TARGET_LARGE
        else:
            self.target = max(op.TARGET_LEAST, 1 << ((guess // op.CHUNKS).bit_length() - 1))

    def refer(self, ordinal: int) -> None:
        """Write a reference to an object of this pod."""
        out = self.out
        last = len(self.bases) - 1
        chunk = bisect_right(self.bases, ordinal) - 1
        if chunk == last:
            out.append(op.REF)
        else:
            out.append(op.REFB)
            varint(out, last - chunk)
        varint(out, ordinal - self.bases[chunk])

    def atom(self, obj: Any) -> None:
        """Write a value whose identity is not kept."""
        cls = type(obj)
        if cls is str:
            self._str(obj)
        elif cls is bytes:
            self._bytes(obj)
        else:
            write_number(self.out, obj)
            if cls is int and -(1 << 63) <= obj < 1 << 63:
                self.content += _content_of_number(obj)
            elif cls is int:
                self.content += content_of(
                    obj.to_bytes((obj if obj >= 0 else ~obj).bit_length() // 8 + 1, "little", signed=True)
                )
            elif cls is float:
                self.content += _content_of_number(int.from_bytes(struct.pack("<d", obj), "little"))
            elif cls is complex:
                self.content += content_of(struct.pack("<dd", obj.real, obj.imag))

    def _str(self, obj: str) -> None:
        out = self.out
        self.content += _content_of_str(obj)
        if len(obj) <= op.SLOT_MOST:
            slot = self.slots.get(obj)
            if slot is not None:
                out.append(op.SREF)
                varint(out, slot)
                return
        data = obj.encode("utf-8", "surrogatepass")
        if op.SLOT_LEAST <= len(data) <= op.SLOT_MOST:
            self.slots[obj] = len(self.slots)
        elif len(data) > op.SLOT_MOST:
            if self._repeats(obj):
                return
            if len(data) >= op.BLOB_LEAST:
                self.blob(op.BLOB_STR, data)
                return
        out.append(op.STR)
        varint(out, len(data))
        out += data

    def _bytes(self, obj: bytes) -> None:
        out = self.out
        self.content += content_of(obj)
        if len(obj) >= op.BYTES_LEAST:
            if self._repeats(obj):
                return
            if len(obj) >= op.BLOB_LEAST:
                self.blob(op.BLOB_BYTES, obj)
                return
        out.append(op.BYTES)
        varint(out, len(obj))
        out += obj

    def _repeats(self, obj: object) -> bool:
        """Write a reference to a long str or bytes that the pod holds already, or give it an ordinal.

        Pods do not share them: they are compared by value, and large ones are stored once all the same.
        """
        found = self.long.get(id(obj))
        if found is not None:
            self.refer(found[1])
            return True
        self.long[id(obj)] = (obj, self.next)
        self.next += 1
        return False

    def bytes_of(self, obj: bytearray) -> None:
        """Write a bytearray, which has its ordinal already."""
        self.content += content_of(obj)
        if len(obj) >= op.BLOB_LEAST:
            self.blob(op.BLOB_BYTEARRAY, obj)
            return
        out = self.out
        out.append(op.BYTEARRAY)
        varint(out, len(obj))
        out += obj

    def buffer(self, view: memoryview) -> None:
        """Write an out-of-band buffer."""
        if view.nbytes >= op.BLOB_LEAST:
            self.blob(op.BLOB_READ_ONLY if view.readonly else op.BLOB_WRITABLE, view)
            return
        out = self.out
        out += bytes((op.BUFFER, 0 if view.readonly else 1))
        varint(out, view.nbytes)
        out += view

    def blob(self, kind: int, data: Any) -> None:
        """Write a large value, whose bytes lie beside the stream."""
        out = self.out
        out += bytes((op.BLOB, kind))
        varint(out, len(data))
        self._store(data)

    def _store(self, data: Any) -> None:
        pod = self.pod
        pod.blobs.append((len(data), self._put_blob(data)))
        pod.size_bytes += len(data)

    def by_name(self, name: tuple[str, str]) -> None:
        """Write what is stored by its name."""
        out = self.out
        slot = self.globals.get(name)
        if slot is not None:
            out.append(op.GREF)
            varint(out, slot)
            return
        self.globals[name] = len(self.globals)
        out.append(op.GLOBAL)
        for part in name:
            data = part.encode("utf-8", "surrogatepass")
            varint(out, len(data))
            out += data

    def fill(self, view: memoryview) -> None:
        """Write the memory that an object is filled with."""
        out = self.out
        self.content += content_of(view)
        if view.nbytes >= op.BLOB_LEAST:
            out.append(op.FILL)
            varint(out, view.nbytes)
            self._store(view)
            return
        out.append(op.FILL_INLINE)
        varint(out, view.nbytes)
        out += view


def content_of(data: Any) -> int:
    """Return a number that stands for bytes: for their first and last 16 and their length."""
    head, tail = bytes(data[:16]), bytes(data[-16:])
    words = _WORDS.unpack(head.ljust(16, b"\0") + tail.ljust(16, b"\0"))
    mixed = (sum(word * mix for word, mix in zip(words, op.MIX, strict=True)) + len(data) * op.MIX[0]) & _MASK
    return int((mixed ^ mixed >> 29) * op.MIX[1] & _MASK)


def _content_of_number(bits: int) -> int:
    mixed = (bits & _MASK) * op.MIX[2] & _MASK
    return (mixed ^ mixed >> 29) * op.MIX[1] & _MASK


def _content_of_str(value: str) -> int:
    """As `content_of`, of the bytes in which the interpreter holds a string, so that nothing need be encoded."""
    most = max(value, default="")
    code = "latin-1" if most <= "\xff" else "utf-16-le" if most <= "\uffff" else "utf-32-le"
    return content_of(value.encode(code, "surrogatepass"))


def _cuts(content: int, length: int, size: int, target: int) -> bool:
    """Say whether a chunk of this size ends with an item; one whose atoms say nothing never ends one.

    The larger the chunk is by now the more items would end it, so that where it ends is hardly ever without a reason.
    """
    if length >= target:
        return True
    mixed = (content ^ content >> 31) * op.MIX[3] & _MASK
    ease = 1 if size < 2 * target else 4 if size < 3 * target else 16
    return content != 0 and (mixed >> 32) * target < length * ease << 32
