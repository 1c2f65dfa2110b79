"""Whether a namespace binds what it did: the kernel's function of that name, in Python."""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


def binds_the_same(mapping: dict[str, object], seen: dict[str, object], others: AbstractSet[str]) -> bool:
    """Say whether a dict has the names of another in their order, bound to the same objects, and beside them only `others`.

    The kernel touches neither names nor values: what lies cold in memory stays there.
    """
    names = [name for name in dict.keys(mapping) if name not in others]
    values = [dict.__getitem__(mapping, name) for name in names]
    return names == list(seen) and all(map(is_, values, seen.values()))
