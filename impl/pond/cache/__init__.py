"""Entries in memory, and how they get there."""

from pond.cache._entries import ENTRY_OVERHEAD_BYTES, EntryCache
from pond.cache._fetcher import Fetcher, Piece

__all__ = ["ENTRY_OVERHEAD_BYTES", "EntryCache", "Fetcher", "Piece"]
