"""One commit in the making."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pod.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Buffer

    from pod.log._backend import Backend, Pieces
    from pod.log._chain import Chain
    from pod.trust import Key

__all__ = ["Transaction", "checked_refs"]


class Transaction:
    """The pieces and the record of one version, which become durable together or not at all.

    A context manager: leaving it without `commit` drops everything. The store's writer lock is held until then.

    Attributes
    ----------
    tid
        Of the version to come.
    head
        The newest version, None if there is none.
    bytes_written
        In all files, by this transaction so far.
    """

    _open = False

    def __init__(
        self, backend: Backend, token: object, chain: Chain, key: Key, committed: Callable[[], None]
    ) -> None:
        self._backend = backend
        self._token = token
        self._chain = chain
        self._key = key
        self._committed = committed
        self._new: set[bytes] = set()
        self.tid = chain.next_tid
        self.head = chain.newest_tid
        self.bytes_written = 0
        self._open = True

    def put(self, digest: bytes, parts: Sequence[Buffer]) -> bool:
        """Add a piece, unless the log has it.

        Parameters
        ----------
        digest
            BLAKE3 of the parts, 32 bytes; it is the caller's to be right, and is checked whenever the piece is read.
        parts
            May change after this returns.

        Returns
        -------
        bool
            False: it was known, nothing was written.

        Raises
        ------
        StoreFull, StoreReadOnly, StoreUnavailable
            `commit` will raise it again; the log is as it was.
        """
        return bool(self.put_all([(digest, parts)]))

    def put_all(self, pieces: Pieces) -> list[bytes]:
        """Add those of some pieces that the log does not have, as `put` does, and return their digests.

        Many at once cost less. Their parts must not change before this returns.
        """
        new: list[bytes] = []
        self.bytes_written += self._backend.append(self._unknown(pieces, new))
        return new

    def _unknown(self, pieces: Pieces, new: list[bytes]) -> Pieces:
        """Yield the pieces that are unknown."""
        size = self._backend.size
        for digest, parts in pieces:
            if digest not in self._new and size(digest) is None:
                yield digest, parts
                self._new.add(digest)  # now that it was taken
                new.append(digest)

    def commit(self, record: bytes, refs: Mapping[str, int | None] | None = None) -> int:
        """Make the version durable: it survives a power failure from here on.

        Parameters
        ----------
        record
            What to keep of the version, beside its pieces.
        refs
            Changed in the same step: name -> tid, None deletes.

        Returns
        -------
        int
            The tid.

        Raises
        ------
        StoreFull, StoreReadOnly, StoreUnavailable
            The log is as it was.
        """
        changed = checked_refs(self._chain, refs or {}, self.tid)
        head = self._chain.sign(self.tid, record, self._key, changed)
        self.bytes_written = self._backend.commit(head, record)
        self._open = False
        self._committed()
        return self.tid

    def commit_refs(self, refs: Mapping[str, int | None]) -> None:
        """Change refs durably, without a version; empty: vouch for all that is there."""
        head = self._chain.sign(0, b"", self._key, checked_refs(self._chain, refs, 0))
        self.bytes_written = self._backend.commit(head, b"")
        self._open = False
        self._committed()

    def keep(self, entries: Sequence[tuple[bytes, bytes]], pieces: Pieces) -> None:
        """Put these entries and pieces in place of everything, durably."""
        self._backend.keep(entries, pieces)
        self._open = False

    def close(self) -> None:
        """Drop what was not committed, and let other writers in."""
        if self._open:
            self._open = False
            self._backend.roll_back(self._token)

    def __del__(self) -> None:
        self.close()  # when Ctrl-C came before the `with` statement had it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def checked_refs(chain: Chain, refs: Mapping[str, int | None], new_tid: int) -> dict[str, int | None]:
    """Return refs with plain values, if they lead to versions that are there."""
    for name, tid in refs.items():
        if not name:
            raise InvalidArgument("a ref needs a name")
        if tid is not None and tid not in chain.numbers and tid != new_tid:
            raise InvalidArgument(f"ref {name}: there is no version {tid}")
    return {str(name): None if tid is None else int(tid) for name, tid in refs.items()}
