"""Every error that pond raises on purpose.

::

    PondError                      code "error"
    ├── InvalidArgument            "invalid"       a value the user gave cannot be used
    ├── NotFound                   "not-found"     no such volume, version or path
    │   └── NoSuchBucket           "no-bucket"     no such bucket
    ├── AlreadyExists              "exists"        the version is there already
    ├── ForeignVolume              "foreign"       a volume of another program
    ├── CorruptData                "corrupt"       bytes do not match their digest
    ├── ObjectChanged              "changed"       an object is not the one the version was made of
    ├── AccessDenied               "denied"        the store refuses these credentials
    ├── StoreUnavailable           "unavailable"   the store does not answer, after retries
    ├── NoSpace                    "no-space"      the disk is full
    └── MountError                 "mount"         the kernel or fusermount3 refuses

``code`` is stable and meant for scripts; the message says what failed, on what, and what to do.
"""

from typing import ClassVar

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "CorruptData",
    "ForeignVolume",
    "InvalidArgument",
    "MountError",
    "NoSpace",
    "NoSuchBucket",
    "NotFound",
    "ObjectChanged",
    "PondError",
    "StoreUnavailable",
]


class PondError(Exception):
    """Root of pond's errors."""

    code: ClassVar[str] = "error"


class InvalidArgument(PondError):
    """A value the user gave cannot be used."""

    code = "invalid"


class NotFound(PondError):
    """No such bucket, volume, version or path."""

    code = "not-found"


class NoSuchBucket(NotFound):
    """No such bucket: nothing can be made under it."""

    code = "no-bucket"


class AlreadyExists(PondError):
    """The object or version is there already."""

    code = "exists"


class ForeignVolume(PondError):
    """The prefix holds a volume of another program."""

    code = "foreign"


class CorruptData(PondError):
    """Bytes do not match the digest that the version recorded for them."""

    code = "corrupt"


class ObjectChanged(PondError):
    """An object is not the one the version was made of: its etag differs."""

    code = "changed"


class AccessDenied(PondError):
    """The store refuses these credentials."""

    code = "denied"


class StoreUnavailable(PondError):
    """The store did not answer properly, after all retries."""

    code = "unavailable"


class NoSpace(PondError):
    """The disk is full."""

    code = "no-space"


class MountError(PondError):
    """The kernel, /dev/fuse or fusermount3 refuses the mount."""

    code = "mount"
