"""Trusting what another user wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod.errors import Corrupt
from pod.format import is_signed
from pod.io import OS
from pod.log._log import Log
from pod.log._open import open_backend
from pod.trust import Key

if TYPE_CHECKING:
    import os

    from pod.io import IO
    from pod.log._backend import Progress

__all__ = ["TrustReport", "trust"]


@dataclass(frozen=True, slots=True)
class TrustReport:
    """What `trust` did.

    Attributes
    ----------
    versions
        That can be loaded now.
    signed
        False: nothing was to be done, the user's key had signed it already.
    path
        The folder, or the URL without passwords.
    """

    versions: int
    signed: bool
    path: str


def trust(
    path: str | os.PathLike[str], *, io: IO = OS, key: Key | None = None, progress: Progress | None = None
) -> TrustReport:
    """Vouch for a whole log, whoever wrote it: verify every byte, then sign its newest entry by one of one's own.

    Parameters
    ----------
    path
        Its folder, or its URL.
    key
        The user's own by default.
    progress
        Told (bytes done, bytes in all).

    Raises
    ------
    Corrupt
        Bytes are damaged: nothing was signed.
    NotAStore, StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable
    """
    key = key or Key.of_user(io=io)
    label, backend = open_backend(path, io=io, create=False)
    with Log(label, backend, key, trust_all=True) as log:
        with log.begin() as transaction:
            damage = log.verify(progress)
            if damage:
                first = damage[0]
                raise Corrupt(
                    f"{first.path}: {first.what} (byte {first.offset}; {len(damage)} places in all);"
                    " what is damaged cannot be trusted"
                )
            heads = log.backend.heads()
            needed = bool(heads) and not is_signed(heads[-1], key)
            if needed:
                transaction.commit_refs({})
        return TrustReport(len(log.tids()), needed, str(log.path))
