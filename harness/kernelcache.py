"""The kernel's page cache as what it is, a cache: dropped on purpose, and shown to be empty.

Whether a file's pages are resident is asked of descriptors that were opened *before* the epoch and held through it.
Opening a file afterwards would prove nothing: without FOPEN_KEEP_CACHE the kernel drops a FUSE file's pages on open.
``cachestat(2)`` (Linux 6.5) counts pages without touching them; ``mincore(2)`` on a mapping does the same on older
kernels. A file opened for direct I/O refuses a shared mapping and keeps no pages.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final

__all__ = [
    "DROP_DENTRIES_AND_PAGES",
    "DROP_PAGES",
    "Proof",
    "ResidentSample",
    "can_drop",
    "drop",
    "evict",
    "resident_pages",
]

DROP_PAGES: Final = 1
DROP_DENTRIES_AND_PAGES: Final = 3
_DROP_FILE: Final = Path("/proc/sys/vm/drop_caches")
_CACHESTAT: Final = 451
_PAGE: Final = mmap.PAGESIZE
_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a layer was reset, and what shows it."""

    reset: bool
    proof: str

    def as_json(self) -> dict[str, object]:
        """Return the form that results hold."""
        return {"reset": self.reset, "proof": self.proof}


def can_drop() -> bool:
    """Say whether this process may drop the page cache."""
    return os.access(_DROP_FILE, os.W_OK)


def drop(level: int) -> Proof:
    """Write dirty pages back and drop clean ones (1), or dentries and inodes too (3).

    Never raises: without permission the proof says so.
    """
    os.sync()
    try:
        _DROP_FILE.write_text(f"{level}\n")
    except OSError as error:
        return Proof(reset=False, proof=f"drop_caches refused: {error.strerror}")
    return Proof(reset=True, proof=f"sync, then drop_caches {level}")


def evict(paths: Iterable[Path]) -> Proof:
    """Write dirty pages of some files back and give up their clean ones; needs no more than that they may be read.

    Never raises: the proof counts the pages that stayed, which somebody else has mapped, and the files that cannot be opened.
    """
    files = pages = refused = 0
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            refused += 1
            continue
        try:
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            pages += resident_pages(descriptor) or 0
        finally:
            os.close(descriptor)
        files += 1
    closed = f", {refused} could not be opened" if refused else ""
    return Proof(
        reset=not pages and not refused, proof=f"{files} files evicted, {pages} pages stayed{closed}"
    )


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _CacheStat(ctypes.Structure):
    _fields_ = (
        ("cached", ctypes.c_uint64),
        ("dirty", ctypes.c_uint64),
        ("writeback", ctypes.c_uint64),
        ("evicted", ctypes.c_uint64),
        ("recently_evicted", ctypes.c_uint64),
    )


def _by_cachestat(descriptor: int) -> int | None:
    span, answer = _Range(0, 0), _CacheStat()  # length 0: to the end of the file
    code = _libc.syscall(_CACHESTAT, descriptor, ctypes.byref(span), ctypes.byref(answer), 0)
    return int(answer.cached) if code == 0 else None


def _by_mincore(descriptor: int) -> int | None:
    size = os.fstat(descriptor).st_size
    if size == 0:
        return 0
    _libc.mmap.restype = ctypes.c_void_p
    _libc.mmap.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    ]
    address = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        return 0 if ctypes.get_errno() == errno.ENODEV else None
    pages = (size + _PAGE - 1) // _PAGE
    present = (ctypes.c_ubyte * pages)()
    code = _libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), present)
    _libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))
    return sum(byte & 1 for byte in present) if code == 0 else None


def resident_pages(descriptor: int) -> int | None:
    """Return how many pages of an open file are in the page cache, without adding any; None if it cannot be told."""
    pages = _by_cachestat(descriptor)
    return pages if pages is not None else _by_mincore(descriptor)


class ResidentSample:
    """Some files of a tree, held open through an epoch and asked for their resident pages after it."""

    def __init__(self, paths: Sequence[Path], *, size: int = 64, seed: int = 0) -> None:
        chosen = Random(seed).sample(range(len(paths)), min(size, len(paths)))
        self._descriptors: list[int] = []
        try:
            for index in sorted(chosen):
                self._descriptors.append(os.open(paths[index], os.O_RDONLY | os.O_CLOEXEC))
            self.sample_bytes = sum(os.fstat(descriptor).st_size for descriptor in self._descriptors)
        except OSError:
            self.close()
            raise

    @property
    def files(self) -> int:
        """How many files the sample holds."""
        return len(self._descriptors)

    def pages(self) -> int | None:
        """Return the resident pages of all files of the sample."""
        counts = [resident_pages(descriptor) for descriptor in self._descriptors]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def resident_bytes(self, total_bytes: int) -> int | None:
        """Return the bytes that the whole tree holds in the page cache, scaled up from the sample."""
        pages = self.pages()
        if pages is None or not self.sample_bytes:
            return None
        share = min(1.0, pages * _PAGE / self.sample_bytes)
        return round(share * total_bytes)

    def close(self) -> None:
        """Let the files go."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def __enter__(self) -> ResidentSample:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
