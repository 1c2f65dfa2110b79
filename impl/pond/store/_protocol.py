"""What pond asks of a place that keeps objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object's key, its bytes, and its etag (empty where the store has none worth pinning)."""

    key: str
    size_bytes: int
    etag: str


class ObjectStore(Protocol):
    """A flat set of objects under one prefix. Every method may be called from several threads at once.

    All methods raise ``NotFound``, ``AccessDenied`` or ``StoreUnavailable``; the latter after a bounded
    number of attempts. A ``put`` that returns is durable, and one that raises leaves no object behind.
    """

    url: str
    """The address of the prefix, as the user would write it."""

    def get_range(self, key: str, offset: int, length: int, etag: str = "") -> "Buffer":
        """Return exactly ``length`` bytes at ``offset``.

        Raises
        ------
        ObjectChanged
            ``etag`` is given and the object has another, or it is shorter than it was.
        """
        ...

    def head(self, key: str) -> ObjectInfo:
        """Return what is known of an object."""
        ...

    def put(self, key: str, body: "Iterable[Buffer]") -> ObjectInfo:
        """Write an object of any size from parts; nothing appears under ``key`` before all is there."""
        ...

    def put_if_absent(self, key: str, body: "Buffer") -> ObjectInfo:
        """Write a small object in one step, or raise ``AlreadyExists``."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys start with ``prefix``."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        ...
