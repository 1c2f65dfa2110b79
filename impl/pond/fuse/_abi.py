"""The kernel's FUSE protocol, as far as a read-only file system needs it (linux/fuse.h, version 7.31).

Every request begins with a header of 40 bytes and every reply with one of 16; what follows depends on the operation.
Numbers are in the machine's byte order, which is little-endian wherever pond runs.
"""

from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final

MAJOR: Final = 7
MINOR: Final = 31

IN_HEADER: Final = Struct("<IIQQIIIHH")  # length, operation, unique, node, uid, gid, pid, extensions, -
OUT_HEADER: Final = Struct("<IiQ")  # length, -errno, unique
INIT_IN: Final = Struct("<IIII")  # major, minor, max_readahead, flags
INIT_OUT: Final = Struct("<IIIIHHIIHHII24x")
# major, minor, max_readahead, flags, max_background, congestion_threshold, max_write, time_gran, max_pages, -, flags2, -
OPEN_IN: Final = Struct("<II")  # flags, -
OPEN_OUT: Final = Struct("<QIi")  # handle, flags, -
READ_IN: Final = Struct("<QQI")  # handle, offset, size, ...
RELEASE_IN: Final = Struct("<Q")  # handle, ...
INTERRUPT_IN: Final = Struct("<Q")  # the request that need not be answered
ATTR: Final = Struct("<QQQqqqIIIIIIIIII")
# ino, size, blocks, atime, mtime, ctime, their nanoseconds, mode, links, uid, gid, rdev, block size, flags
ATTR_OUT: Final = Struct("<QII")  # seconds and nanoseconds that the attributes hold, -; then ATTR
ENTRY_OUT: Final = Struct(
    "<QQQQII"
)  # node, generation, seconds that name and attributes hold, nanoseconds; then ATTR
DIRENT: Final = Struct(
    "<QQII"
)  # ino, offset of the next, length of the name, type; then the name, padded to 8
STATFS_OUT: Final = Struct("<QQQQQIII28x")
# blocks, free, available, files, free files, block size, name length, fragment size


class Operation(IntEnum):
    """What the kernel asks for."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    READLINK = 5
    OPEN = 14
    READ = 15
    STATFS = 17
    RELEASE = 18
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    READDIRPLUS = 44


class InitFlag(IntFlag):
    """What both sides can do."""

    ASYNC_READ = 1 << 0
    DO_READDIRPLUS = 1 << 13
    ASYNC_DIO = 1 << 15
    PARALLEL_DIROPS = 1 << 18
    MAX_PAGES = 1 << 22
    CACHE_SYMLINKS = 1 << 23


class OpenFlag(IntFlag):
    """How an open file is treated."""

    DIRECT_IO = 1 << 0
    KEEP_CACHE = 1 << 1
