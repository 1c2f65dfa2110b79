"""What a log needs of the place where it keeps its bytes."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pod.errors import PodError, StoreFull, StoreReadOnly, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Buffer

__all__ = ["Backend", "BackendStats", "Damage", "Pieces", "Progress", "flat", "translated"]

Progress: TypeAlias = Callable[[int, int], None]
"""Told (bytes done, bytes in all) now and then."""

Pieces: TypeAlias = "Iterable[tuple[bytes, Sequence[Buffer]]]"
"""Digests and parts."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A place where bytes are not what was written.

    Attributes
    ----------
    path
        The file, or its name in a database.
    offset
        Where in it, in bytes.
    what
        What is wrong there, for people.
    digest
        The piece that is lost, if it is one.
    tid
        The version whose record is lost, if it is one.
    """

    path: str
    offset: int
    what: str
    digest: bytes | None = None
    tid: int | None = None


@dataclass(frozen=True, slots=True)
class BackendStats:
    """How much a backend holds.

    Attributes
    ----------
    log_bytes, index_bytes
        Of the pieces and entries; of what helps to find them.
    pieces, entries
        Their numbers.
    generation
        Grows by one with every `keep`.
    """

    log_bytes: int
    index_bytes: int
    pieces: int
    entries: int
    generation: int


class Backend(Protocol):
    """Pieces by their digest, and a sequence of entries, each of a head and a body.

    It verifies nothing but that what it wrote is whole: digests and signatures are the log's matter. Its errors are
    `PodError`. Reads and writes are seen by all threads and, if it says so, on both sides of a fork.
    """

    @property
    def is_shared_across_forks(self) -> bool:
        """Whether a forked process can save for the process it was forked from."""

    @property
    def batch_bytes(self) -> int:
        """So many bytes of pieces are best given to one `read_into`; 0: one piece."""

    @property
    def generation(self) -> int:
        """Grows whenever entries other than the newest change."""

    @property
    def is_damaged(self) -> bool:
        """Whether entries that were durable cannot be read any more."""

    def refresh(self) -> None:
        """Take in what other processes committed."""

    def heads(self) -> Sequence[bytes]:
        """Return the heads of all entries, oldest first."""

    def body(self, number: int) -> bytes:
        """Return the body of an entry."""

    def digests(self) -> Iterator[bytes]:
        """Yield the digests of all pieces, in the order in which they are best read."""

    def size(self, digest: bytes) -> int | None:
        """Return the length of a piece; None: there is none."""

    def read(self, digest: bytes) -> bytes:
        """Return a piece; `Corrupt` if there is none."""

    def read_through(self, digests: Sequence[bytes]) -> Iterator[memoryview]:
        """Yield pieces in the order asked for, each in memory that is used again for the next."""

    def read_into(self, pieces: Sequence[tuple[bytes, memoryview]]) -> None:
        """Read each piece into the buffer beside it, which has its length."""

    def begin(self, token: object, timeout_s: float) -> None:
        """Become the only writer, and refresh; ends with `commit`, `keep` or `roll_back`.

        Whatever this raises, `roll_back` of the same token is due: Ctrl-C may come when the lock was taken.
        """

    def append(self, pieces: Pieces) -> int:
        """Add pieces to the transaction, whatever becomes of their memory afterwards; return the bytes that takes."""

    def commit(self, head: bytes, body: bytes) -> int:
        """Add the entry and the pieces in one durable step, and end the transaction; return the bytes written."""

    def roll_back(self, token: object) -> None:
        """End the transaction that this token began, if it is running; what it appended is gone."""

    def keep(self, entries: Sequence[tuple[bytes, bytes]], pieces: Pieces) -> None:
        """Put these entries (head, body) and pieces in place of all others, atomically.

        Called within a transaction, which it ends.
        """

    def verify(self, progress: Progress | None = None) -> list[Damage]:
        """Read every byte, and return what is damaged."""

    def stats(self) -> BackendStats:
        """Return how much it holds."""

    def settle(self) -> None:
        """Leave everything behind so that it opens quickly."""

    def close(self) -> None:
        """Settle, and let go of what was opened."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def flat(parts: Sequence[Buffer]) -> list[bytes | memoryview]:
    """Return parts whose lengths are those of their bytes."""
    return [part if type(part) is bytes else memoryview(part).cast("B") for part in parts]


@contextmanager
def translated(path: Path, *, writing: bool = False) -> Iterator[None]:
    """Turn an error of the operating system into one of pod's."""
    try:
        yield
    except OSError as error:
        raise _translation(error, path, writing=writing) from error


def _translation(error: OSError, path: Path, *, writing: bool) -> PodError:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StoreFull(
            f"{path}: the disk is full ({reason}); nothing was saved: free some space, or run: pod gc {path}"
        )
    if error.errno in _READ_ONLY and writing:
        return StoreReadOnly(
            f"{path}: it is read-only ({reason}); nothing was saved: make it writable, or choose another place"
        )
    return StoreUnavailable(f"{path}: {reason}")
