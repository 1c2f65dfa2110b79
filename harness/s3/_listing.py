"""One page of a bucket's listing, as S3 cuts it: prefix, delimiter, marker, page size.

Keys are compared as UTF-8 bytes. A group of keys that share everything up to the delimiter becomes one common prefix,
and the scan jumps behind the group, so that a page costs its answers and not the keys they stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Listable", "Page", "list_page", "successor"]


class Listable(Protocol):
    """Anything with a key."""

    @property
    def key(self) -> str: ...


E = TypeVar("E", bound=Listable)
Scan = Callable[[bytes, bytes | None, int], Iterable[E]]
"""``scan(start, end, limit)``: the first `limit` entries with start <= key < end (None: no end), in byte order."""


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """`last` is the key or common prefix the page ends with: the marker of the next page."""

    contents: list[E]
    common_prefixes: list[str]
    truncated: bool
    last: str


def successor(prefix: bytes) -> bytes | None:
    """The smallest byte string above every string that starts with `prefix`; None where there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


def list_page(scan: Scan[E], *, prefix: str, delimiter: str, after: str, max_keys: int) -> Page[E]:
    """The first `max_keys` keys and common prefixes above `after`.

    `after` that is itself a common prefix (the end of an earlier page) skips its whole group, as S3 does.
    """
    contents: list[E] = []
    groups: list[str] = []
    last = ""
    if max_keys == 0:
        return Page(contents, groups, truncated=False, last=last)
    start: bytes | None = prefix.encode()
    end = successor(prefix.encode())
    if after:
        cut = after.find(delimiter, len(prefix)) if delimiter and after.startswith(prefix) else -1
        is_group = cut >= 0 and cut + len(delimiter) == len(after)
        follows = successor(after.encode()) if is_group else after.encode() + b"\0"
        start = None if follows is None else max(start or b"", follows)
    while start is not None:
        room = max_keys - len(contents) - len(groups)
        asked = room + 1
        jumped = False
        seen = 0
        for entry in scan(start, end, asked):
            seen += 1
            cut = entry.key.find(delimiter, len(prefix)) if delimiter else -1
            if len(contents) + len(groups) == max_keys:
                return Page(contents, groups, truncated=True, last=last)
            if cut < 0:
                contents.append(entry)
                last = entry.key
                continue
            last = entry.key[: cut + len(delimiter)]
            groups.append(last)
            start = successor(last.encode())
            jumped = True
            break
        if not jumped:
            if seen < asked:
                break
            raise AssertionError("a scan of one more than fits must end the page")
        if start is not None and end is not None and start >= end:
            break
    return Page(contents, groups, truncated=False, last=last)
