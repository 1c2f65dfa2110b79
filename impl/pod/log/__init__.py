"""The durable log of a store: content-addressed pieces, and one signed record for each version.

The log knows nothing of Python objects. A **piece** is bytes under its BLAKE3 digest, stored once; a **record** is what
the layer above says of one version (tid). Versions are committed one after the other, each with the pieces that are
new in it, in one atomic and durable step.

::

    log = Log.open(path)                                    # trust is checked here, before anything is read further
    with log.begin() as transaction:                        # the writer's lock; leaving without commit drops all
        transaction.put(blake3(data).digest(), [data])      # False: known already
        tid = transaction.commit(record)                    # one fdatasync; afterwards it survives a power failure
    log.record(tid); log.read(digest); digest in log

    class Log
        open(path, *, create=True, io=OS, key=None, timeout_s=60.0) -> Log      key: default Key.of_user()
        path: Path | str                                    the folder, or the URL without passwords
        head() -> int | None                                newest tid, with what other processes committed
        tids() -> Sequence[int]                             ascending
        record(tid) -> bytes                                verified; NoSuchVersion, Corrupt
        refs() -> dict[str, int]                            tags and branches: name -> tid (names are the caller's)
        __contains__(digest) -> bool
        size(digest) -> int                                 bytes of a piece; Corrupt when missing
        read(digest) -> bytes                               verified
        read_through(digests) -> Iterator[memoryview]       in the order asked for, verified; gone when the next is
                                                            asked for
        read_joined(digests, into=None) -> memoryview       the pieces one after the other in one new writable buffer
                                                            (or in `into`), verified, no other copy
        begin(timeout_s=None) -> Transaction                StoreBusy, StoreReadOnly
        set_refs({name: tid or None}) -> None               durable; None deletes
        verify(progress=None) -> list[Damage]               every byte of every file; progress(done_bytes, total_bytes)
        gc(plan, progress=None) -> GcReport                 plan() -> (records, digests), called when nobody else can
                                                            commit: keep these versions (tid -> record, perhaps encoded
                                                            anew) and pieces, nothing else; refs to others go; atomic
        digests() -> Iterator[bytes]                        of all pieces
        reading()                                           context manager: StoreBusy in place of Corrupt where a
                                                            collection was noticed meanwhile
        export(target, record, digests, progress=None) -> int
                                                            one file with one version; its size in bytes
        open_export(path, *, io=OS, key=None, trust=False) -> Log
                                                            such a file, read-only, as version 1
        generation: int                                     grows with every gc: pieces seen before may be gone
        stats() -> LogStats
        settle()                                            write the index, if opening would take long without it
        close()                                             settle, and close the files; also by `with`

    class Transaction                                       context manager
        tid: int                                            of the commit to come; goes on after a restart and after gc
        head: int | None
        put(digest, parts) -> bool                          parts may change afterwards
        put_all([(digest, parts)..]) -> list[bytes]         the digests that were new; cheaper than many `put`
        commit(record, refs={}) -> int                      refs: changed together with the version (None deletes);
                                                            StoreFull, StoreReadOnly, StoreUnavailable: as it was
        bytes_written: int                                  so far, in all files; final after commit

    open_backend(location, *, create=True, io=OS) -> (Path | str, Backend)
                                                            a folder, file:///folder, memory://NAME, postgresql://..,
                                                            redis://..: what errors call it, and where its bytes are

    trust(path, *, io=OS, key=None, progress=None) -> TrustReport
                                                            verify another's store whole, then sign its newest entry

A log object may be used by several threads (one transaction at a time; `begin` waits) and on both sides of a fork:
`head` and `begin` see what the other side committed. A log in memory is the exception: its forked process cannot commit.
"""

from pod.log._backend import Backend, BackendStats, Damage, Pieces, Progress
from pod.log._database import DatabaseBackend
from pod.log._export import ExportBackend
from pod.log._file import FileBackend
from pod.log._log import Log, Plan
from pod.log._memory import MemoryBackend
from pod.log._open import open_backend
from pod.log._reports import GcReport, LogStats
from pod.log._transaction import Transaction
from pod.log._trust import TrustReport, trust

__all__ = [
    "Backend",
    "BackendStats",
    "Damage",
    "DatabaseBackend",
    "ExportBackend",
    "FileBackend",
    "GcReport",
    "Log",
    "LogStats",
    "MemoryBackend",
    "Pieces",
    "Plan",
    "Progress",
    "Transaction",
    "TrustReport",
    "open_backend",
    "trust",
]
