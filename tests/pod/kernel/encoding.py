"""Encoding and decoding without a store, with either kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from pod.chunks import PIECE_BYTES
from pod.graph import BUNDLE, SPLIT, Pod, Reducer, by_name, in_order, memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pod.graph import Reduced
    from pod.podding import Podding

MISSING = object()


class Shelf:
    """Keeps what an encoder writes in memory, and gives it to decoders."""

    def __init__(self, namespace: object = None, podding: Podding | None = None) -> None:
        self._reducer = Reducer(namespace)
        self._podding = podding
        self.pieces: dict[bytes, bytes] = {}

    def plain(self, cls: type) -> bool:
        return self._reducer.plain(cls)

    def reduce(self, value: object, /) -> Reduced:
        return self._reducer.reduce(value)

    def memory(self, value: object, /) -> memoryview:
        return memory(value)

    def order(self, value: set[Any] | frozenset[Any], /) -> list[Any]:
        return in_order(value)

    def begin(self, root: object, depth: int, /) -> None:
        if self._podding is not None:
            self._podding.begin(root, depth)

    def apart(self, value: Any, depth: int, held_bytes: int, /) -> int:
        if self._podding is not None:
            return self._podding.apart(value, depth, held_bytes)
        return SPLIT if len(value) % 2 == 0 else BUNDLE

    def put_chunks(self, chunks: Sequence[bytes], /) -> list[bytes]:
        digests = [blake3(data).digest() for data in chunks]
        self.pieces.update(zip(digests, map(bytes, chunks), strict=True))
        return digests

    def put_blob(self, data: bytes, /) -> list[bytes]:
        return self.put_chunks(
            [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
        )

    def blob(self, digests: Sequence[bytes], _length: int, /) -> memoryview:
        return memoryview(bytearray(b"".join(self.pieces[digest] for digest in digests)))

    def blob_into(self, digests: Sequence[bytes], target: memoryview, /) -> None:
        target[:] = b"".join(self.pieces[digest] for digest in digests)

    def by_name(self, module: str, qualname: str, /) -> object:
        return by_name(module, qualname)


class Written(NamedTuple):
    """What is stored of one pod."""

    oid: int
    streams: list[bytes]
    blobs: list[tuple[int, list[bytes]]]
    references: list[int]
    counts: list[int]
    exports: dict[int, int]
    needs: set[str]
    within: int | None
    objects: int
    size_bytes: int


def written(pods: Iterable[Pod]) -> list[Written]:
    """Return what is stored of pods, to compare."""
    return [Written(*(getattr(pod, field) for field in Written._fields)) for pod in pods]


def decode(decoder_class: Any, pods: Sequence[Pod], shelf: Shelf, namespace: object = None) -> Any:
    """Decode the last of the pods, and with it those that it needs."""
    by_oid = {pod.oid: pod for pod in pods}
    owners = {oid: pod for pod in pods for oid in (*pod.exports, pod.oid)}
    decoders: dict[int, Any] = {}
    running: list[Any] = []

    def found(oid: int) -> object:
        pod = owners[oid]
        decoder = decoders.get(pod.oid)
        if decoder is None:
            return MISSING
        if not decoder.done or decoder.hung:
            running[-1].hang()
        if oid in pod.exports and decoder.count > pod.exports[oid]:
            return decoder.made(pod.exports[oid])
        return decoder.root if decoder.done else MISSING

    pending = [pods[-1].oid]
    while pending:
        pod = by_oid.get(pending[-1]) or owners[pending[-1]]
        if pod.oid not in decoders:
            streams = [shelf.pieces[digest] for digest in pod.streams]
            decoders[pod.oid] = decoder_class(streams, pod.blobs, pod.references, shelf, namespace)
        running.append(decoders[pod.oid])
        needed = running[-1].run(found, MISSING)
        running.pop()
        if needed:
            pending.append(needed)
        else:
            pending.pop()
    for decoder in decoders.values():
        decoder.settle()
    return decoders[pods[-1].oid].root
