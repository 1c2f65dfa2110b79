"""What a store writes of a version: its record, the map of its names and the map of its pods.

::

    record     encoded {"format": 1 (2: pods wear coats), "time_ns", "message", "parent", "branch", "unsaved": [[name, type, reason]..],
                        "names": root of a tree, "pods": root of a tree, "count": names, "bytes", "next": the next oid;
                        of a cell also "source" and "failed"}
    names      key: the name's utf-8; value: encoded [hidden, oid or None, small atom's stream or b""]
    pods       key: an oid, 8 bytes big-endian; value: 1 | an encoded pod, or 0 | the digest of the piece that holds it,
                        or, of an object that lies in another pod, 2 | that pod's oid
    pod        encoded [streams, [[length, digests]..], references, counts, [oid, ordinal..], names it needs,
                        oid of the pod within which it is read or None, exposed, objects, bytes; with a coat (`_coats`): coat]
    digests    up to 4 digests one after the other, or the root of a tree of them (33 bytes)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pod.errors import Corrupt
from pod.format import Plain, decode, digest_of, encode
from pod.graph import Pod
from pod.store._tree import grow, new_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pod.store._tree import Lookup, Put, Read

_FORMAT: Final = 1
_FORMAT_WITH_COATS: Final = 2
_INLINE_DIGESTS: Final = 4
_INLINE_BYTES: Final = 1024
_DIGEST_BYTES: Final = 32
_ELSEWHERE: Final = 2


@dataclass(frozen=True, slots=True)
class Record:
    """One version, as its record says it."""

    time_ns: int
    message: str | None
    parent: int | None
    branch: str | None
    unsaved: tuple[tuple[str, str, str], ...]
    names: bytes
    pods: bytes
    count: int
    bytes_written: int
    next_oid: int
    has_coats: bool = False
    source: str | None = None
    failed: bool = False

    def pack(self) -> bytes:
        """Return the record's bytes."""
        cell: dict[Plain, Plain] = (
            {} if self.source is None else {"source": self.source, "failed": self.failed}
        )
        return encode(
            {
                "format": _FORMAT_WITH_COATS if self.has_coats else _FORMAT,
                "time_ns": self.time_ns,
                "message": self.message,
                "parent": self.parent,
                "branch": self.branch,
                "unsaved": [list(found) for found in self.unsaved],
                "names": self.names,
                "pods": self.pods,
                "count": self.count,
                "bytes": self.bytes_written,
                "next": self.next_oid,
                **cell,
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Record:
        """Read a record."""
        found: Any = decode(data)
        if not isinstance(found, dict) or found.get("format") not in {_FORMAT, _FORMAT_WITH_COATS}:
            raise Corrupt("a version's record is of another format: a newer pod wrote it")
        return cls(
            found["time_ns"],
            found["message"],
            found["parent"],
            found["branch"],
            tuple((name, kind, reason) for name, kind, reason in found["unsaved"]),
            found["names"],
            found["pods"],
            found["count"],
            found["bytes"],
            found["next"],
            found["format"] == _FORMAT_WITH_COATS,
            found.get("source"),
            found.get("failed", False),
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """What a name is bound to: an object with an oid, or a small atom."""

    oid: int | None
    atom: bytes = b""
    hidden: bool = False
    _packed: bytes = field(default=b"", init=False, repr=False, compare=False)

    def pack(self) -> bytes:
        """Return its bytes in the map of names; made once, for most names are bound as they were at the next save."""
        if not self._packed:
            object.__setattr__(self, "_packed", encode([self.hidden, self.oid, self.atom]))
        return self._packed

    @classmethod
    def parse(cls, data: bytes) -> Bound:
        """Read them."""
        hidden, oid, atom = _list(decode(data))
        return cls(oid, atom, hidden)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Corrupt("a version's map holds something else than a list")
    return value


def pod_key(oid: int) -> bytes:
    """Return a pod's key in the map of pods."""
    return oid.to_bytes(8, "big")


def pack_pod(pod: Pod, put: Put) -> bytes:
    """Return a pod's value in the map of pods."""
    exports = [number for pair in sorted(pod.exports.items()) for number in pair]
    coat = [pod.coat] if pod.coat else []
    data = encode(
        [
            _pack_digests(pod.streams, put),
            [[length, _pack_digests(found, put)] for length, found in pod.blobs],
            pod.references,
            pod.counts,
            exports,
            sorted(pod.needs),
            pod.within,
            pod.exposed,
            pod.objects,
            pod.size_bytes,
            *coat,
        ]
    )
    if len(data) <= _INLINE_BYTES:
        return b"\1" + data
    digest = digest_of(data)
    put(digest, [data])
    return b"\0" + digest


def parse_pod(oid: int, value: bytes, read: Read) -> Pod:
    """Read a pod."""
    found = _list(decode(value[1:] if value[0] else read(value[1:])))
    pod = Pod(oid, 0)
    (
        streams,
        blobs,
        pod.references,
        pod.counts,
        exports,
        needs,
        pod.within,
        pod.exposed,
        pod.objects,
        pod.size_bytes,
        *coat,
    ) = found
    pod.coat = coat[0] if coat else b""
    pod.streams = _digests(streams, read)
    pod.blobs = [(length, _digests(packed, read)) for length, packed in blobs]
    pod.exports = dict(zip(exports[::2], exports[1::2], strict=True))
    pod.needs = set(needs)
    pod.entries = []
    return pod


def _pack_digests(found: Sequence[bytes], put: Put) -> bytes:
    if len(found) <= _INLINE_DIGESTS:
        return b"".join(found)
    return grow([(b"", digest) for digest in found], put)


def _digests(packed: bytes, read: Read) -> list[bytes]:
    if len(packed) % _DIGEST_BYTES == 0:
        return [packed[at : at + _DIGEST_BYTES] for at in range(0, len(packed), _DIGEST_BYTES)]
    return [digest for _key, digest in walk(packed, read)]


class Walked:
    """What was walked through already, of several versions that have most in common."""

    def __init__(self) -> None:
        self.names: set[bytes] = set()
        self.pods: set[bytes] = set()
        self.lists: set[bytes] = set()


def reachable(record: Record, read: Read, walked: Walked | None = None) -> Iterator[bytes]:
    """Yield the digests of all pieces that a version needs, but for those below what was `walked` through before."""
    walked = walked or Walked()
    yield from new_nodes(record.names, read, walked.names)[0]
    nodes, values = new_nodes(record.pods, read, walked.pods)
    yield from nodes
    for value in values:
        if value[0] == _ELSEWHERE:
            continue
        if not value[0]:
            yield value[1:]
        streams, blobs, *_rest = _list(decode(value[1:] if value[0] else read(value[1:])))
        for packed in (streams, *(found for _length, found in blobs)):
            if len(packed) % _DIGEST_BYTES:
                nodes, found = new_nodes(packed, read, walked.lists)
                yield from nodes
                yield from found
            else:
                yield from _digests(packed, read)


def pack_names(names: Mapping[str, Bound], put: Put) -> bytes:
    """Store the map of names; return its root."""
    packed = sorted((name.encode("utf-8", "surrogatepass"), bound.pack()) for name, bound in names.items())
    return grow(packed, put)


def parse_names(root: bytes, read: Read) -> dict[str, Bound]:
    """Read the map of names."""
    return {key.decode("utf-8", "surrogatepass"): Bound.parse(value) for key, value in walk(root, read)}


def pack_pods(values: Iterable[tuple[int, bytes]], put: Put) -> bytes:
    """Store the map of pods; return its root."""
    return grow(sorted((pod_key(oid), value) for oid, value in values), put)


def find_pod(look_up: Lookup, oid: int, read: Read) -> Pod:
    """Read the pod that holds the object with this oid."""
    owner = oid
    value = look_up(pod_key(oid))
    if value is not None and value[0] == _ELSEWHERE:
        owner = int.from_bytes(value[1:], "big")
        value = look_up(value[1:])
    if value is None or value[0] == _ELSEWHERE:
        raise Corrupt(f"a version lacks the pod of object {oid}")
    return parse_pod(owner, value, read)


def all_pods(root: bytes, read: Read) -> Iterator[Pod]:
    """Read all pods of a version."""
    for key, value in walk(root, read):
        if value[0] != _ELSEWHERE:
            yield parse_pod(int.from_bytes(key, "big"), value, read)


def elsewhere(owner: int) -> bytes:
    """Return the value in the map of pods of an object that lies in another pod."""
    return bytes([_ELSEWHERE]) + pod_key(owner)


def pods_below(
    names: Mapping[str, Bound], pods: Mapping[int, Pod], owners: Mapping[int, int]
) -> dict[int, Pod]:
    """Return the pods that some name leads to; `owners` are oids of objects and of the pods that hold them."""
    found = {owners[known.oid] for known in names.values() if known.oid is not None}
    pending = list(found)
    while pending:
        pod = pods[pending.pop()]
        within = () if pod.within is None else (pod.within,)
        for oid in (*pod.references, *within):
            owner = owners[oid]
            if owner not in found:
                found.add(owner)
                pending.append(owner)
    return {oid: pod for oid, pod in pods.items() if oid in found}
