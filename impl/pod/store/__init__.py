"""Stores of versions: save, load, compare, keep, throw away.

::

    open(path=None, *, create=True, key=None, io=OS, podding="default", tracking="names", ascc=False, lock="variable",
         mode="auto", codec="none", thesaurus_bytes=None, chunk_dedup=True, fidelity="fixed", timeout_s=60.0) -> Store
        path: a folder, file:///folder, memory://NAME, postgresql://user@host:port/database or redis://host:port/number
        podding: default | manual | lga | const(0.5) | naive | bundle | random | exhaustive(0101) | a Podding
        tracking: names | all | a Tracking           mode: sync | auto | fork | thread | thread-deferred
        lock: variable | all                         codec: none | lz4 | zstd
        fidelity: fixed | paper                      thesaurus_bytes: None (all is found again), or a number

    class Options                                    of the same, from podding to fidelity; checked

    class Store                                      a context manager; one thread at a time
        path: Path | str                             the folder, or the URL without passwords
        options: Options
        save(ns, message=None, names=None, full=False) -> SaveReport
            ns: a managed namespace (only what may have changed is looked at) or any mapping (all is looked at).
            names: the version holds these variables only. full: look at everything all the same.
            A variable that cannot be saved never fails the save: see `SaveReport.unsaved`.
        save_async(ns, message=None, names=None, full=False, *, mode=None) -> SaveFuture
            mode: sync, auto, fork, thread or thread-deferred (it encodes after the call returned); None: the store's
        cell(source, ns)                             a context to run a cell in: with `ascc`, one that only reads touches nothing
        effective(mode=None) -> dict[str, str]       options that say how it saves; "no effect" where one has none
        take_waits() -> Waits                        Waits(lock_s, join_s): what threads waited for saves since asked last
        load(version, names=None) -> Namespace       version: tid, tag, branch, SaveReport or SaveFuture; a variable that
                                                     cannot be built is in `Namespace.unloaded`: see `UnloadedWarning`
        log() -> list[Version]                       newest first
        version(version) -> Version
        names(version) -> dict[str, int]             name -> bytes of the pods that only it needs first
        diff(a, b) -> Diff
        tag(name, version=None) -> None              None: the newest; a tag never moves
        untag(name) -> None
        tags() -> dict[str, int]
        branch(name, version=None) -> None           make the branch, or move it; later saves from a namespace on it move it
        branches() -> dict[str, int]
        checkout(name_or_version, names=None) -> Namespace   as load; further saves from it go onto the branch, if one is named
        verify(progress=None) -> list[Damage]        every byte of every file, and whether versions have all that they
                                                     need; empty: all is well
        gc(keep=None, progress=None) -> GcReport     keep: an int (the newest so many), an iterable of versions, or None
                                                     (all); tags and branches are always kept
        export(version, target, progress=None) -> int     one file; its size in bytes
        import_(source, *, trust=False, progress=None) -> SaveReport        (also as `getattr(store, "import")`)
        follow(followed) -> Follower                 an exact dict, of which only what may have changed is looked at, as long as
                                                     the follower lives and is told of all code that runs in the dict
        stats() -> dict[str, int | float | str]
        close() -> None                              waits for a running save

    class SaveReport(int)                            the tid, and
        tid, message, time_s: float                  time_s: seconds since the epoch
        bytes_written: int                           in all files
        pods_new, pods_reused: int
        seconds: dict[str, float]                    by phase: "track", "encode", "write"
        unsaved: tuple[Unsaved, ...]                 Unsaved(name, type, reason)

    class SaveFuture                                 of `save_async`
        result(timeout_s=None) -> SaveReport         raises what the save raised; TimeoutError
        exception(timeout_s=None) -> BaseException | None
        done() -> bool

    class Follower                                   of `follow`, for a `pod.tracking.Followed`
        ran(source, uses=None, *, failed=False)      code ran in the dict; the next version keeps its source
        checkout(version, names=None) -> CheckedOut  a version's variables take the place of the dict's

    Version(tid, parent, time_s, message, names, bytes_written, tags, branches, unsaved, source, failed)
    Diff(a, b, added, removed, changed)              tuples of Change(name, a_bytes, b_bytes)
    class Namespace(dict)                            see `pod.tracking`
    Unloaded(name, error, reason)                    of `Namespace.unloaded`
    new_managed_namespace(initial=None) -> Namespace
    save, save_async, load                           in the default store
    default_path() -> Path | str                     POD_DIR, or .pod of the working directory
"""

from __future__ import annotations

from pod.store._default import load, new_managed_namespace, save, save_async
from pod.store._follow import CheckedOut, Follower
from pod.store._future import SaveFuture
from pod.store._open import default_path
from pod.store._open import open_store as open
from pod.store._options import Options
from pod.store._report import Change, Diff, SaveReport, UnloadedWarning, Unsaved, Version
from pod.store._store import Store
from pod.tracking import Namespace, Unloaded

__all__ = [
    "Change",
    "CheckedOut",
    "Diff",
    "Follower",
    "Namespace",
    "Options",
    "SaveFuture",
    "SaveReport",
    "Store",
    "Unloaded",
    "UnloadedWarning",
    "Unsaved",
    "Version",
    "default_path",
    "load",
    "new_managed_namespace",
    "open",
    "save",
    "save_async",
]
