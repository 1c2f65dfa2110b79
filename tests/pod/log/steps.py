"""What the tests of the log do with it, and the dict that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from pod.format import decode, encode
from pod.io import IO
from pod.log import Log
from pod.trust import Key

KEY = Key(b"the key of the tests, 32 bytes: ")
OTHER_KEY = Key(b"the key of somebody else: 32 b. ")
FOLDER = Path("/home/store")


def digest_of(data: bytes) -> bytes:
    return blake3(data).digest()


@dataclass(frozen=True)
class State:
    """What a log holds: tid -> the contents of its pieces, ref -> tid; and what the next tid is at least."""

    versions: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    refs: dict[str, int] = field(default_factory=dict)

    def with_version(self, tid: int, contents: Iterable[bytes], refs: dict[str, int | None]) -> State:
        return State({**self.versions, tid: tuple(contents)}, self.refs).with_refs(refs)

    def with_refs(self, refs: dict[str, int | None]) -> State:
        merged = {**self.refs, **refs}
        return State(self.versions, {name: tid for name, tid in merged.items() if tid is not None})

    def keeping(self, tids: Iterable[int]) -> State:
        kept = set(tids)
        return State(
            {tid: contents for tid, contents in self.versions.items() if tid in kept},
            {name: tid for name, tid in self.refs.items() if tid in kept},
        )


def open_log(io: IO, *, key: Key = KEY, create: bool = True, folder: Path = FOLDER) -> Log:
    return Log.open(folder, io=io, key=key, create=create, timeout_s=0.0)


def record_of(contents: Sequence[bytes]) -> bytes:
    return encode([digest_of(content) for content in contents])


def digests_in(record: bytes) -> list[bytes]:
    digests = decode(record)
    assert isinstance(digests, list)
    assert all(isinstance(digest, bytes) for digest in digests)
    return [digest for digest in digests if isinstance(digest, bytes)]


def commit(log: Log, contents: Sequence[bytes], refs: dict[str, int | None] | None = None) -> int:
    with log.begin() as transaction:
        for content in contents:
            half = len(content) // 2
            transaction.put(digest_of(content), [content[:half], memoryview(content)[half:]])
        return transaction.commit(record_of(contents), refs)


def collect(log: Log, tids: Collection[int]) -> None:
    def plan() -> tuple[dict[int, bytes], set[bytes]]:
        records = {tid: log.record(tid) for tid in tids}
        return records, {digest for record in records.values() for digest in digests_in(record)}

    log.gc(plan)


def observed(log: Log) -> State:
    """Read everything."""
    newest = log.head()
    tids = list(log.tids())
    assert tids == sorted(tids)
    assert newest == (tids[-1] if tids else None)
    versions = {}
    for tid in tids:
        digests = digests_in(log.record(tid))
        assert all(digest in log for digest in digests)
        contents = tuple(map(bytes, log.read_through(digests)))
        assert [len(content) for content in contents] == [log.size(digest) for digest in digests]
        assert bytes(log.read_joined(digests)) == b"".join(contents)
        versions[tid] = contents
    return State(versions, log.refs())


Step = Callable[[Log, State], State]
"""Does something to a log, and to what it should hold."""


def committing(*contents: bytes, ref: str | None = None) -> Step:
    def step(log: Log, state: State) -> State:
        expected = max(state.versions, default=0) + 1
        tid = commit(log, contents, {} if ref is None else {ref: expected})
        assert tid >= expected
        return state.with_version(tid, contents, {} if ref is None else {ref: tid})

    return step


def abandoning(*contents: bytes) -> Step:
    def step(log: Log, state: State) -> State:
        with log.begin() as transaction:
            for content in contents:
                transaction.put(digest_of(content), [content])
        return state

    return step


def referring(**refs: int | None) -> Step:
    def step(log: Log, state: State) -> State:
        log.set_refs(refs)
        return state.with_refs(refs)

    return step


def collecting(*tids: int) -> Step:
    def step(log: Log, state: State) -> State:
        collect(log, tids)
        return state.keeping(tids)

    return step


def settling(log: Log, state: State) -> State:
    log.settle()
    return state


def content(seed: int, size_bytes: int) -> bytes:
    """Return bytes that are like no others."""
    return blake3(seed.to_bytes(8, "little")).digest(size_bytes)


SCENARIO: tuple[Step, ...] = (
    committing(content(1, 10), content(2, 700), ref="branch/main"),
    committing(content(1, 10), content(3, 5000), b""),
    abandoning(content(4, 900), content(5, 20_000)),
    committing(content(6, 40_000), content(7, 30), ref="branch/main"),
    settling,
    referring(**{"tag/first": 1, "branch/main": 2}),
    committing(),
    collecting(1, 3),
    committing(content(1, 10), content(8, 3000)),
    referring(**{"tag/first": None}),
)
"""All that a store does in its life, small enough that every call of it can be the last."""
