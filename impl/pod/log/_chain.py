"""What the heads of the entries say together: which versions there are, and whether this user vouches for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.errors import Corrupt, Untrusted
from pod.format import NO_HEAD, EntryHead, digest_of, is_signed, pack_head, parse_head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pod.trust import Key

__all__ = ["FIRST_TID", "Chain", "check_trust"]

FIRST_TID = 1


class Chain:
    """The entries of one generation, each of which names the one before by its digest.

    Attributes
    ----------
    generation
        Of the backend.
    heads
        Of all entries.
    numbers
        Of the entry of each version, in the order of tids.
    refs
        Names and their versions.
    next_tid
        Of the version to come.
    """

    def __init__(self, path: Path | str, generation: int) -> None:
        self._path = path
        self.generation = generation
        self.heads: list[EntryHead] = []
        self.numbers: dict[int, int] = {}
        self.refs: dict[str, int] = {}
        self.next_tid = FIRST_TID
        self._newest = b""
        self._previous = NO_HEAD

    @property
    def newest_tid(self) -> int | None:
        """The newest version; None: there is none."""
        return next(reversed(self.numbers), None)

    def continues(self, heads: Sequence[bytes]) -> bool:
        """Whether these are this chain's heads, and perhaps more."""
        known = len(self.heads)
        return len(heads) >= known and (known == 0 or heads[known - 1] == self._newest)

    def extend(self, heads: Sequence[bytes]) -> None:
        """Take in the heads that follow those that are known.

        Raises
        ------
        Corrupt
            One does not name the one before it.
        """
        for data in heads[len(self.heads) :]:
            head = parse_head(data)
            in_order = not head.tid or head.tid > (self.newest_tid or 0)
            if head.previous != self._previous or head.number != len(self.heads) or not in_order:
                raise Corrupt(
                    f"{self._path}: entry {len(self.heads)} of the log does not follow the one before it;"
                    f" run: pod verify {self._path}"
                )
            self._add(head, data)

    def _add(self, head: EntryHead, data: bytes) -> None:
        self._previous, self._newest = digest_of(data), data
        self.heads.append(head)
        if head.tid:
            self.numbers[head.tid] = head.number
        self.next_tid = max(self.next_tid, head.next_tid)
        for name, tid in head.refs.items():
            if tid is None:
                self.refs.pop(name, None)
            else:
                self.refs[name] = tid

    def sign(
        self, tid: int, body: bytes, key: Key, refs: Mapping[str, int | None], next_tid: int | None = None
    ) -> bytes:
        """Return the head of the entry to come."""
        head = EntryHead(
            number=len(self.heads),
            tid=tid,
            next_tid=max(self.next_tid, tid + 1) if next_tid is None else next_tid,
            key_id=key.id,
            previous=self._previous,
            body=digest_of(body),
            refs=refs,
        )
        return pack_head(head, key)


def check_trust(path: Path | str, heads: Sequence[bytes], key: Key, remedy: str) -> None:
    """Raise `Untrusted` unless the newest entry bears this key's signature, and so vouches for all before it."""
    if not heads or is_signed(heads[-1], key):
        return
    if parse_head(heads[-1]).key_id != key.id:
        what = "written with another user's key"
    else:
        what = "changed behind pod's back, or damaged"
    raise Untrusted(
        f"{path}: {what}; loading it could run anybody's code. If you trust whoever wrote it, run: {remedy}"
    )
