"""Whether versions have all that they need: `pod.log` knows pieces, and not which of them a version leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.errors import Corrupt
from pod.log import Damage
from pod.store._record import Record, Walked, reachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.log import Log


def lacking(log: Log) -> Iterator[Damage]:
    """Yield the pieces that are missing, each with a version that needs it."""
    walked = Walked()
    for tid in log.tids():
        missing, is_whole = _missing(log, tid, walked)
        if not is_whole:
            walked = Walked()  # what was not reached in this version must be in the next
        for digest in missing:
            what = f"piece {digest.hex()[:16]} is missing, which version {tid} needs"
            yield Damage(str(log.path), 0, what, digest=digest, tid=tid)


def _missing(log: Log, tid: int, walked: Walked) -> tuple[list[bytes], bool]:
    """Return the missing pieces that a version needs, as far as it can be walked through; and whether it is whole."""
    missing: dict[bytes, None] = {}
    damaged = False

    def read(digest: bytes) -> bytes:
        if digest not in log:
            missing[digest] = None
        return log.read(digest)

    try:
        for digest in reachable(Record.parse(log.record(tid)), read, walked):
            if digest not in log:
                missing[digest] = None
    except Corrupt:
        damaged = True  # by a missing piece, or by one that the log itself has found
    return list(missing), not missing and not damaged
