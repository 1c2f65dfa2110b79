"""Object stores made of a dictionary: they record what is asked of them, wait at a gate, or fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pond.errors import AlreadyExists, NotFound, ObjectChanged, PondError
from pond.store import ObjectInfo


@dataclass(frozen=True)
class Get:
    """One GET that was made."""

    key: str
    offset: int
    length: int


class RecordingStore:
    """Objects in a dictionary. `gets` has every GET that was begun, in order; `before` is called in each."""

    url = "test://volume"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.gets: list[Get] = []
        self.before: Callable[[Get], None] = lambda _get: None
        self._lock = threading.Lock()

    @property
    def bytes_fetched(self) -> int:
        """The sum of all GETs' lengths."""
        return sum(get.length for get in self.gets)

    def get_range(self, key: str, offset: int, length: int, etag: str = "") -> memoryview:
        get = Get(key, offset, length)
        with self._lock:
            self.gets.append(get)
        self.before(get)
        if key not in self.objects:
            raise NotFound(f"{self.url}/{key}: no such object")
        part = memoryview(self.objects[key])[offset : offset + length]
        if len(part) != length:
            raise ObjectChanged(f"{self.url}/{key}: shorter than when the version was made")
        return part

    def head(self, key: str) -> ObjectInfo:
        if key not in self.objects:
            raise NotFound(f"{self.url}/{key}: no such object")
        return ObjectInfo(key, len(self.objects[key]), "")

    def put(self, key: str, body: Iterable[bytes]) -> ObjectInfo:
        self.objects[key] = b"".join(body)
        return self.head(key)

    def put_if_absent(self, key: str, body: bytes) -> ObjectInfo:
        if self.objects.setdefault(key, bytes(body)) is not body:
            raise AlreadyExists(f"{self.url}/{key}: exists already")
        return self.head(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return iter([self.head(key) for key in sorted(self.objects) if key.startswith(prefix)])

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


class Gate:
    """Holds every GET until it is opened; tells when one has arrived."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._arrivals = threading.Semaphore(0)

    def __call__(self, _get: Get) -> None:
        self._arrivals.release()
        if not self._open.wait(30):
            raise PondError("the gate was never opened")

    def await_arrival(self) -> None:
        """Return when one more GET stands at the gate."""
        assert self._arrivals.acquire(timeout=30), "no GET came to the gate"

    def open(self) -> None:
        """Let all through, from now on."""
        self._open.set()


def failing(error: PondError, times: int = 1_000_000) -> Callable[[Get], None]:
    """Return what makes the next GETs fail."""
    left = threading.Semaphore(times)

    def before(_get: Get) -> None:
        if left.acquire(blocking=False):
            raise error

    return before
