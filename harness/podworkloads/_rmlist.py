"""Lists of large bytes, with every kind of sharing that a store of parts can get wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["HELPERS", "SNAPSHOT_BYTES", "cells"]

HELPERS: Final = ("os", "random", "rng", "count", "number")
SNAPSHOT_BYTES: Final = 101_000_000

_CELLS: Final = (
    """\
import os
import random
rng = random.Random(73)
count = max(10, round(1000 * float(os.environ['SCALE'])))
""",
    """\
blobs = [rng.randbytes(100_000) for _ in range(count)]
""",
    """\
def is_even(number):
    return number == 0 or is_odd(number - 1)

def is_odd(number):
    return number != 0 and is_even(number - 1)

parity = [is_even(number) for number in range(20)]
""",
    """\
def make_counter():
    seen = []
    def count_blob(blob):
        seen.append(len(blob))
        return sum(seen)
    return count_blob

count_blob = make_counter()
total = count_blob(blobs[0])
""",
    """\
left = ['left']
right = ['right', left]
left.append(right)
left.append(left)
""",
    """\
shared = [0]
first = ['first', shared]
second = ['second', shared]
""",
    """\
blob = blobs[1]
some = [blob, blobs[2]]
others = [blob, blobs[3]]
""",
    """\
blobs.append(rng.randbytes(100_000))
shared.append(len(blobs))
""",
    """\
for number in rng.sample(range(len(blobs)), len(blobs) // 10):
    blobs[number] = rng.randbytes(100_000)
""",
    """\
first[1].append('seen by both')
total = count_blob(some[0])
left[1][0] = 'changed through the cycle'
""",
)


def cells(_: Mapping[str, int]) -> list[str]:
    """Return the ten cells."""
    return list(_CELLS)
