"""Large buffers as pieces: what changes in place costs a piece, not the buffer.

Pieces begin at fixed places: an insertion costs all that comes after it (docs/decisions/012).

::

    PIECE_BYTES = 65536
    with cut(buffer) as pieces:                an iterator of Piece(digest, data: memoryview): 64 KiB each from the
                                               buffer's start, no copy; large ones are hashed by other threads, ahead of
                                               the caller (all gone at the end: a fork is safe)
"""

from pod.chunks._cut import PIECE_BYTES, Piece, cut

__all__ = ["PIECE_BYTES", "Piece", "cut"]
