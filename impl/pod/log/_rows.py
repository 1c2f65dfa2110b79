"""Pieces as the rows of a database: parts of a bounded length, asked for in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pod.log._backend import flat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typing_extensions import Buffer

__all__ = ["BATCH_BYTES", "BATCH_ROWS", "PART_BYTES", "Row", "batches", "cut", "parts_of"]

PART_BYTES: Final = 1 << 22
"""A piece is cut into parts of this length; it belongs to the format."""
BATCH_BYTES: Final = 1 << 22
"""So much is sent or asked for at once."""
BATCH_ROWS: Final = 1 << 12


class Row(NamedTuple):
    """A part of a piece: where it is, and how long it must be."""

    digest: bytes
    part: int
    where: bytes
    size_bytes: int


def parts_of(size_bytes: int) -> int:
    """Return in how many rows a piece is; an empty one has a row, too."""
    return max(1, -(-size_bytes // PART_BYTES))


def batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield rows that are asked for together."""
    batch: list[Row] = []
    held = 0
    for row in rows:
        if batch and (held + row.size_bytes > BATCH_BYTES or len(batch) >= BATCH_ROWS):
            yield batch
            batch, held = [], 0
        batch.append(row)
        held += row.size_bytes
    if batch:
        yield batch


def cut(parts: Iterable[Buffer]) -> Iterator[bytes]:
    """Yield what parts hold together, in copies of `PART_BYTES` each but for the last; at least one."""
    held: list[memoryview] = []
    size, is_first = 0, True
    for part in flat(list(parts)):
        view = memoryview(part)
        while size + len(view) > PART_BYTES:
            held.append(view[: PART_BYTES - size])
            yield b"".join(held)
            view, held, size, is_first = view[PART_BYTES - size :], [], 0, False
        held.append(view)
        size += len(view)
    if size or is_first:
        yield b"".join(held)
