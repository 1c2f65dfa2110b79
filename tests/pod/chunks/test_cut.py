"""Cutting buffers."""

from __future__ import annotations

import threading
from array import array
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from blake3 import blake3

from pod.chunks import PIECE_BYTES, Piece, _cut, cut

if TYPE_CHECKING:
    from typing_extensions import Buffer

DATA = Random(5).randbytes(5_000_000)


def pieces_of(buffer: Buffer) -> list[Piece]:
    with cut(buffer) as pieces:
        return list(pieces)


@pytest.mark.parametrize(
    "size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 10 * PIECE_BYTES, len(DATA)]
)
@pytest.mark.parametrize("processors", [1, 2, 5])
def test_pieces_are_the_buffer(size: int, processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cut, "_THREADED_BYTES", 1000)
    monkeypatch.setattr(_cut, "_processors", lambda: processors)
    pieces = pieces_of(DATA[:size])
    assert b"".join(piece.data for piece in pieces) == DATA[:size]
    assert [len(piece.data) for piece in pieces[:-1]] == [PIECE_BYTES] * max(0, len(pieces) - 1)
    assert all(piece.digest == blake3(piece.data).digest() for piece in pieces)


@pytest.mark.parametrize("buffer", [bytearray(DATA), array("d", DATA), np.frombuffer(DATA, dtype=np.int16)])
def test_any_buffer_is_cut_without_a_copy(buffer: bytearray) -> None:
    pieces = pieces_of(buffer)
    assert [piece.digest for piece in pieces] == [piece.digest for piece in pieces_of(DATA)]
    assert all(piece.data.obj is buffer for piece in pieces)


def test_no_thread_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cut, "_THREADED_BYTES", 1000)
    monkeypatch.setattr(_cut, "_processors", lambda: 3)
    before = threading.active_count()
    with cut(DATA) as pieces:
        first = next(pieces)
        assert threading.active_count() > before
        assert len([first, *pieces]) == -(-len(DATA) // PIECE_BYTES)
    assert threading.active_count() == before
    with cut(DATA) as pieces:
        assert next(pieces).digest == first.digest  # and no more of them
    assert threading.active_count() == before


def test_one_changed_byte_changes_one_piece() -> None:
    changed = bytearray(DATA)
    changed[400_000] ^= 1
    differing = [a.digest != b.digest for a, b in zip(pieces_of(DATA), pieces_of(changed), strict=True)]
    assert sum(differing) == 1


def test_a_change_in_place_costs_a_piece_and_an_insertion_all_after_it() -> None:
    before = [piece.digest for piece in pieces_of(DATA)]
    at = 10 * PIECE_BYTES + 5
    changed = [piece.digest for piece in pieces_of(DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :])]
    assert [i for i, pair in enumerate(zip(before, changed, strict=True)) if pair[0] != pair[1]] == [10]
    inserted = [piece.digest for piece in pieces_of(DATA[:at] + b"x" + DATA[at:])]
    assert inserted[:10] == before[:10]
    assert not set(inserted[10:]) & set(before)
