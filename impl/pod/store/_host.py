"""What the encoder asks for while a session saves, and how a value that cannot be saved is reported."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, Protocol

from pod.chunks import cut
from pod.format import digest_of
from pod.graph import APART, Reducer, in_order, memory, module_of
from pod.store._report import Unsaved, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Buffer

    from pod.chunks import Piece
    from pod.graph import Pod, Reduced
    from pod.log import Pieces
    from pod.podding import Podding


class OwnMemoryError(Exception):
    """What takes a value apart raised a MemoryError (its cause): that is the value's matter, not the save's."""


class Sink(Protocol):
    """Takes pieces, as a transaction does."""

    @property
    def tid(self) -> int:
        """Of the version to come, as far as that is known."""

    def put_all(self, pieces: Pieces) -> list[bytes]:
        """Take the unknown ones of many; return their digests."""


class Host:
    """Takes objects apart and stores chunks, for the encoder."""

    def __init__(self, podding: Podding) -> None:
        self.begin = podding.begin
        self.apart = podding.apart
        self.reducer = Reducer(None)
        self._cut_out: Callable[[object], None] = _ignore
        self.sink: Sink  # while a session encodes

    def plain(self, cls: type, /) -> bool:
        return self.reducer.plain(cls)

    def reduce(self, value: object, /) -> Reduced:
        try:
            reduced = self.reducer.reduce(value)
        except MemoryError as error:
            raise OwnMemoryError from error
        if reduced.flags & APART:
            self._cut_out(value)
        return reduced

    def memory(self, value: object, /) -> memoryview:
        return memory(value)

    def order(self, value: set[Any] | frozenset[Any], /) -> list[Any]:
        return in_order(value)

    def tell_of_cuts(self, told: Callable[[object], None]) -> None:
        """Call this with each object that becomes the root of a pod, but for variables'; before an encoder is made."""
        asked = self.apart

        def apart(value: object, depth: int, held_bytes: int) -> int:
            decision = asked(value, depth, held_bytes)
            if decision:
                told(value)
            return decision

        self.apart, self._cut_out = apart, told

    def put_chunks(self, chunks: Sequence[bytes], /) -> list[bytes]:
        digests = [digest_of(data) for data in chunks]
        self.sink.put_all((digest, [data]) for digest, data in zip(digests, chunks, strict=True))
        return digests

    def put_blob(self, data: Buffer, /) -> list[bytes]:
        digests: list[bytes] = []

        def noted(pieces: Iterable[Piece]) -> Pieces:
            for digest, part in pieces:
                digests.append(digest)
                yield digest, [part]

        with cut(data) as pieces:
            self.sink.put_all(noted(pieces))
        return digests

    def start_over(self) -> None:
        """Forget what was met so far: everything is written again, or the save is over."""

    def finish(self, pods: list[Pod]) -> list[Pod]:
        """Store what is left of pods that were written; return them."""
        return pods

    def let_go(self) -> None:
        """Drop what was kept for `finish`."""


def _ignore(_value: object) -> None:
    pass


def unsaved(name: str, value: object, error: Exception) -> Unsaved:
    """Say that a variable could not be saved, and why."""
    reason = error.__cause__ if isinstance(error, OwnMemoryError) and error.__cause__ else error
    text = text_of(reason)
    if not isinstance(reason, TypeError | pickle.PicklingError):
        text = f"{type(reason).__name__}: {text}"
    return Unsaved(name, type_name(value), text)


def type_name(value: object) -> str:
    """Return the name of a value's type."""
    cls = type(value)
    module = module_of(cls)
    return cls.__qualname__ if module in {"", "builtins"} else f"{module}.{cls.__qualname__}"
