"""Opening a store, wherever it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pod.io import OS
from pod.log import Log
from pod.store._options import Options
from pod.store._store import Store

if TYPE_CHECKING:
    from pod.io import IO
    from pod.podding import Podding
    from pod.tracking import Tracking
    from pod.trust import Key

TIMEOUT_S: Final = 60.0


def open_store(
    path: str | os.PathLike[str] | None = None,
    *,
    create: bool = True,
    key: Key | None = None,
    io: IO = OS,
    podding: str | Podding = "default",
    tracking: str | Tracking = "names",
    ascc: bool = False,
    lock: str = "variable",
    mode: str = "auto",
    codec: str = "none",
    thesaurus_bytes: int | None = None,
    chunk_dedup: bool = True,
    fidelity: str = "fixed",
    timeout_s: float = TIMEOUT_S,
) -> Store:
    """Open a store, and make it if it is missing.

    How a store saves may change from one opening to the next: each version says how it is to be read.

    Parameters
    ----------
    path
        Its folder, or a URL: `file:///folder`, `memory://NAME` (lives as long as the process),
        `postgresql://user@host:port/database`, `redis://host:port/number` (`pod.log.open_backend`). By default `POD_DIR`,
        or `.pod` of the working directory.
    create
        False: a missing store is an error.
    key
        Who signs, and who is trusted; by default the user's own key.
    podding
        What becomes a pod: "default", "manual", "lga", "const(0.5)", "naive", "bundle", "random", "exhaustive(0101)",
        or a `Podding`.
    tracking
        What a save looks at: what the "names" that code touched lead to, "all", or a `Tracking`.
    ascc
        Whether a cell that is proved to read only touches nothing; see `Store.cell`.
    lock
        What "thread-deferred" keeps threads from: the "variable" that it encodes, or "all" names. It has no effect elsewhere.
    mode
        How `save_async` saves: "sync", "auto", "fork", "thread" or "thread-deferred".
    codec
        What pods are compressed with: "none", "lz4", "zstd".
    thesaurus_bytes
        How many bytes of keys are remembered of what was stored, 32 for each chunk (or pod), so that it is not stored
        again; what a forked process stored is not among it. None: all that the store holds is found, without any. 0:
        every save stores all that it looks at.
    chunk_dedup
        False: what is stored once is the whole pod, not the chunk.
    fidelity
        "fixed"; or "paper", which brings back what the published system does wrong.
    timeout_s
        How long a save waits for another process's.

    Raises
    ------
    InvalidArgument
        An option is unknown; the message has those that are known.
    NotAStore, Untrusted, Corrupt, StoreReadOnly, StoreUnavailable
    """
    options = Options(
        podding, tracking, ascc, lock, mode, codec, thesaurus_bytes, chunk_dedup, fidelity
    )  # before anything is made
    place = default_path() if path is None else path
    return Store(Log.open(place, create=create, io=io, key=key, timeout_s=timeout_s), options)


def default_path() -> Path | str:
    """Return `POD_DIR`, a folder or a URL, or `.pod` of the working directory."""
    configured = os.environ.get("POD_DIR") or ".pod"
    return configured if "://" in configured else Path(configured).absolute()
