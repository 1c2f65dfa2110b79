"""pod: versions of Python variables that are small, fast, shared right and never lost.

::

    import pod

    ns = pod.new_managed_namespace()      # a dict that knows which of its names were touched
    exec("a = [1]; b = [a]", ns)
    t = pod.save(ns)                      # the version's number (tid), and a report
    exec("a.append(2)", ns)
    old = pod.load(t)                     # a managed namespace again: old["b"][0] is old["a"]

The default store is the folder `POD_DIR`, or `.pod` of the working directory; `pod.open(path)` opens any other. A
store may also be in memory, in PostgreSQL or in Redis: `pod.open("postgresql://user@host/database")`.
See `pod.store` for what a store can do, and docs/pod-semantics.md for what is promised.

::

    new_managed_namespace(initial=None) -> Namespace
    save(ns, **options) -> SaveReport               in the default store; options as for Store.save
    save_async(ns, **options) -> SaveFuture
    load(tid, names=None) -> Namespace              tid: number, tag, branch or SaveFuture
    open(path=None, *, create=True, key=None, io=OS, podding="default", tracking="names", ascc=False, lock="variable",
         mode="auto", codec="none", thesaurus_bytes=None, chunk_dedup=True, fidelity="fixed", timeout_s=60.0) -> Store
    default_path() -> Path | str
    in_kernel() -> bool                             False: the compiled kernel is missing, the pure-Python one runs

In IPython and Jupyter, `%load_ext pod` saves after each cell: see `pod.magics`.
"""

from __future__ import annotations

from pod.errors import (
    CannotLoad,
    Corrupt,
    InvalidArgument,
    NoSuchVersion,
    NotAStore,
    NotDurableWarning,
    PodError,
    StoreBusy,
    StoreClosed,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    Untrusted,
)
from pod.kernel import in_kernel
from pod.store import (
    Change,
    Diff,
    Namespace,
    Options,
    SaveFuture,
    SaveReport,
    Store,
    Unloaded,
    UnloadedWarning,
    Unsaved,
    Version,
    default_path,
    load,
    new_managed_namespace,
    open,
    save,
    save_async,
)

__all__ = [
    "CannotLoad",
    "Change",
    "Corrupt",
    "Diff",
    "InvalidArgument",
    "Namespace",
    "NoSuchVersion",
    "NotAStore",
    "NotDurableWarning",
    "Options",
    "PodError",
    "SaveFuture",
    "SaveReport",
    "Store",
    "StoreBusy",
    "StoreClosed",
    "StoreFull",
    "StoreReadOnly",
    "StoreUnavailable",
    "Unloaded",
    "UnloadedWarning",
    "Unsaved",
    "Untrusted",
    "Version",
    "default_path",
    "in_kernel",
    "load",
    "load_ipython_extension",
    "new_managed_namespace",
    "open",
    "save",
    "save_async",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: object) -> None:
    """Save after each cell from here on: what `%load_ext pod` calls."""
    from pod.magics import load  # a script does not need what a notebook does

    load(shell)


def unload_ipython_extension(shell: object) -> None:
    """Stop saving, and close the store: what `%unload_ext pod` calls."""
    from pod.magics import unload

    unload(shell)
