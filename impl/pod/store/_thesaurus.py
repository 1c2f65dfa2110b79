"""Which of what was stored is remembered, within a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

KEY_BYTES: Final = 16
SALT_BYTES: Final = 16
ENTRY_BYTES: Final = KEY_BYTES + SALT_BYTES


class Thesaurus:
    """The salts under which things were stored, by their keys.

    It is only ever asked what can be stored under the same salt again: what it says wrongly, since somebody collected the
    store meanwhile, is found missing there and written.

    Parameters
    ----------
    capacity_bytes
        Of all entries together; the least recently used goes first.
    as_published
        An entry counts as its key alone, and the last one added goes first, so that what came first stays for good.
    """

    def __init__(self, capacity_bytes: int, *, as_published: bool = False) -> None:
        self.capacity = capacity_bytes // (KEY_BYTES if as_published else ENTRY_BYTES)
        self._last_goes_first = as_published
        self._salts: OrderedDict[bytes, bytes] = OrderedDict()
        self._learned: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._salts)

    def find(self, key: bytes) -> bytes | None:
        """Return the salt of what was stored."""
        salt = self._salts.get(key)
        if salt is not None and not self._last_goes_first:
            self._salts.move_to_end(key)
        return salt

    def add(self, key: bytes, salt: bytes) -> None:
        """Remember what is being stored and was not found; `keep` or `forget` must follow."""
        if not self.capacity:
            return
        if len(self._salts) == self.capacity:
            gone, _salt = self._salts.popitem(last=self._last_goes_first)
            self._learned.discard(gone)
        self._salts[key] = salt
        self._learned.add(key)

    def keep(self) -> None:
        """What was added is stored."""
        self._learned.clear()

    def forget(self) -> None:
        """What was added since the last `keep` is not."""
        for key in self._learned:
            del self._salts[key]
        self._learned.clear()
