"""Every error that pod raises on purpose, and what it warns of a store.

::

    PodError                       code "pod"
    ├── InvalidArgument            "invalid"       a value the user gave cannot be used
    ├── NotAStore                  "not-a-store"   the folder holds something else, or nothing
    ├── NoSuchVersion              "no-version"    no such version, tag or branch
    ├── Untrusted                  "untrusted"     another user's store, or one changed behind pod's back
    ├── Corrupt                    "corrupt"       bytes do not match their digest
    ├── StoreBusy                  "busy"          another process is writing
    ├── StoreFull                  "full"          the disk, or the database, is full
    ├── StoreReadOnly              "read-only"     the store may not be written
    ├── StoreUnavailable           "unavailable"   the disk or the database fails
    ├── StoreClosed                "closed"        the store was closed
    └── CannotLoad                 "cannot-load"   a saved variable cannot be built again here

    UserWarning
    └── NotDurableWarning          the database may lose what it has acknowledged

``code`` is stable and meant for scripts; the message says what failed, on what, and what to do.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "CannotLoad",
    "Corrupt",
    "InvalidArgument",
    "NoSuchVersion",
    "NotAStore",
    "NotDurableWarning",
    "PodError",
    "StoreBusy",
    "StoreClosed",
    "StoreFull",
    "StoreReadOnly",
    "StoreUnavailable",
    "Untrusted",
]


class PodError(Exception):
    """Root of pod's errors.

    Attributes
    ----------
    code
        A stable word for programs; the message is for people.
    """

    code: ClassVar[str] = "pod"


class InvalidArgument(PodError):
    """A value the user gave cannot be used."""

    code = "invalid"


class NotAStore(PodError):
    """The folder holds something else, or nothing."""

    code = "not-a-store"


class NoSuchVersion(PodError):
    """No such version, tag or branch."""

    code = "no-version"


class Untrusted(PodError):
    """The store is another user's, or was changed behind pod's back; nothing of it was unpickled."""

    code = "untrusted"


class Corrupt(PodError):
    """Bytes do not match their digest."""

    code = "corrupt"


class StoreBusy(PodError):
    """Another process is writing."""

    code = "busy"


class StoreFull(PodError):
    """The disk, or the database, is full; the store is as it was."""

    code = "full"


class StoreReadOnly(PodError):
    """The store may not be written; it is as it was."""

    code = "read-only"


class StoreUnavailable(PodError):
    """The disk fails, or the database is out of reach; the store is as it was."""

    code = "unavailable"


class StoreClosed(PodError):
    """The store was closed."""

    code = "closed"


class CannotLoad(PodError):
    """A saved variable cannot be built again here: a module is missing, or its class changed."""

    code = "cannot-load"


class NotDurableWarning(UserWarning):
    """The server may lose what it has acknowledged; the message says which setting makes it durable."""
