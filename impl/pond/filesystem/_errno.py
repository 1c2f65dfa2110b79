"""The one table from pond's errors to what a system call returns."""

import errno

from pond.errors import (
    AccessDenied,
    AlreadyExists,
    CorruptData,
    ForeignVolume,
    InvalidArgument,
    MountError,
    NoSpace,
    NoSuchBucket,
    NotFound,
    ObjectChanged,
    PondError,
    StoreUnavailable,
)

_ERRNO: dict[type[PondError], int] = {
    AccessDenied: errno.EACCES,
    AlreadyExists: errno.EEXIST,
    CorruptData: errno.EIO,
    ForeignVolume: errno.EIO,
    InvalidArgument: errno.EINVAL,
    MountError: errno.EIO,
    NoSpace: errno.ENOSPC,
    NoSuchBucket: errno.EIO,
    NotFound: errno.EIO,  # an object that a version needs is gone: the file is there, its bytes are not
    ObjectChanged: errno.EIO,
    StoreUnavailable: errno.EIO,
}


def errno_of(error: BaseException) -> int:
    """Return the errno that stands for an error; ``EIO`` for anything unforeseen."""
    return _ERRNO.get(type(error), errno.EIO) if isinstance(error, PondError) else errno.EIO
