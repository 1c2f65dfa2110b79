"""The backend of a folder: one log file that only grows, written by one process at a time."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING, Final

from pod.errors import Corrupt, NotAStore, PodError, StoreBusy
from pod.format import (
    FILE_HEADER_BYTES,
    HINT_BYTES,
    pack_file_header,
    pack_hint,
    parse_hint,
)
from pod.io import OS, make_folders
from pod.log._backend import BackendStats, Damage, Pieces, Progress, translated
from pod.log._index import Index, Table
from pod.log._logfile import LOG_NAME, LogFile, Reading, log_name
from pod.log._verify import verify_log, verify_others
from pod.log._writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Buffer

    from pod.io import IO, File

__all__ = ["HINT", "INDEX", "FileBackend", "write_log"]

LOCK, HINT, INDEX, UNFINISHED = "lock", "durable", "index", ".unfinished"
_OURS = re.compile(rf"{LOG_NAME.pattern}|{LOCK}|{HINT}|{INDEX}|.*\{UNFINISHED}")

_UNINDEXED_RUNNING: Final = 1 << 16
"""So many pieces and entries may be missing in the index while a session goes on, and an eighth of all."""
_UNINDEXED_CLOSED: Final = 1 << 8
"""So many may be missing when it ends, and an eighth of all."""
_CREATE_TIMEOUT_S = 60.0
_ATTEMPTS = 8


@dataclass(slots=True)
class _Transaction:
    token: object
    lock: File
    writer: Writer


class FileBackend(Reading):
    """Pieces and entries in the files of a folder; `pod.format` draws them.

    Parameters
    ----------
    folder
        Made, with mode 0700, if it is missing and `create` is set.

    Raises
    ------
    NotAStore
        The folder is missing, or holds something else.
    """

    def __init__(self, folder: Path, *, io: IO = OS, create: bool = True) -> None:
        self._folder = folder
        self._lock_path, self._hint_path = folder / LOCK, folder / HINT
        self._io = io
        self._guard = RLock()
        self._transaction: _Transaction | None = None
        self._stale = False
        self._index_damaged = False
        self._writable: LogFile | None = None
        with translated(folder):
            self._open(create=create)

    # --- opening -----------------------------------------------------------------------------------------

    def _open(self, *, create: bool) -> None:
        """Open the newest log file and take in what it holds."""
        for _ in range(_ATTEMPTS):
            newest = self._newest()
            if newest is None:
                if not create:
                    raise NotAStore(f"{self._folder}: no store; make one with: pod init {self._folder}")
                with translated(self._folder, writing=True):
                    self._create()
                continue
            try:
                log = LogFile(self._io, self._folder / log_name(newest))
            except FileNotFoundError:  # another process has just begun the next generation
                continue
            log.load(self._table(), self._hint(log.generation))
            self._log = log
            self._stale = False
            return
        raise StoreBusy(f"{self._folder}: another process keeps replacing the log; try again")

    def _newest(self) -> int | None:
        try:
            names = self._io.names(self._folder)
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise NotAStore(f"{self._folder}: not a folder") from error
        generations = [int(found[1]) for name in names if (found := LOG_NAME.fullmatch(name))]
        foreign = [name for name in names if not _OURS.fullmatch(name)]
        if foreign and not generations:
            raise NotAStore(f"{self._folder}: not a store, it holds {foreign[0]}; choose an empty folder")
        return max(generations, default=None)

    def _create(self) -> None:
        make_folders(self._io, self._folder)
        self._io.make_private(self._folder)
        lock = self._io.open(self._lock_path, create=True)
        try:
            self._take(lock, _CREATE_TIMEOUT_S)
            if self._newest() is None:
                self._write_hint(pack_hint(1, FILE_HEADER_BYTES, 0), sync=True)
                self._publish(log_name(1), [pack_file_header(1)])
                self._io.sync_folder(self._folder)
        finally:
            lock.close()

    def _table(self) -> Table | None:
        """Return what the index says; one that is damaged is deleted by the next writer."""
        data = _read(self._io, self._folder / INDEX)
        table = None if data is None else Table.parse(data)
        self._index_damaged = data is not None and table is None
        return table

    def _hint(self, generation: int) -> int | None:
        """Return up to where the log is known to be durable; None: nothing says so."""
        hint = parse_hint(_read(self._io, self._hint_path) or b"")
        return hint[1] if hint is not None and hint[0] == generation else None

    def refresh(self) -> None:
        """Take in what other processes committed."""
        with self._guard, translated(self._folder):
            if self._transaction is not None:
                return
            log = self._log
            status = log.file.status()
            replaced = (
                status.links == 0 or self._newest() != log.generation
            )  # a killed `keep` leaves the old one
            changed = self._stale or replaced or log.is_changed(status.size_bytes)
            if changed or log.is_damaged:  # or only seemed to be, while its hint was being written
                self._open(create=False)
            elif status.size_bytes > log.end:
                log.durable = max(log.durable, self._hint(log.generation) or 0)
                log.extend(status.size_bytes)

    # --- writing -----------------------------------------------------------------------------------------

    def begin(self, token: object, timeout_s: float) -> None:
        """Become the only writer, and refresh; ends with `commit`, `keep` or `roll_back`."""
        with translated(self._folder, writing=True):
            lock = self._io.open(self._lock_path, create=True)
        try:
            with translated(self._folder, writing=True):
                self._take(lock, timeout_s)
            self.refresh()
            with self._guard, translated(self._folder, writing=True):
                self._transaction = _Transaction(token, lock, self._prepare())
        except BaseException:
            lock.close()
            raise

    def _take(self, lock: File, timeout_s: float) -> None:
        if not lock.lock(timeout_s):
            raise StoreBusy(
                f"{self._folder}: another process has been writing for {timeout_s:g} s; try again"
            )

    def _prepare(self) -> Writer:
        """Make the log file ready for a writer: what a crash left is cut off, what is whole is durable."""
        log = self._log
        if log.is_damaged:
            raise Corrupt(
                f"{log.path}: damaged from byte {log.end} on; nothing can be saved here, but what comes before can be"
                " loaded and exported into another store"
            )
        if self._writable is not log:
            log.file = self._io.open(log.path, write=True)
            self._delete_leftovers()
            self._writable = log
        if log.file.status().size_bytes > log.end:
            log.file.truncate(log.end)
        if log.end > log.durable or not log.hinted:
            log.file.sync()
            self._note_durable(sync=not log.hinted)
        return Writer(log.file, log.end)

    def _delete_leftovers(self) -> None:
        names = self._io.names(self._folder)
        old = [
            name
            for name in names
            if (found := LOG_NAME.fullmatch(name)) and int(found[1]) < self._log.generation
        ]
        if old:
            self._io.sync_folder(self._folder)  # or a power failure may take the new log's name as well
        for name in names:
            useless = name == INDEX and self._index_damaged
            if useless or name.endswith(UNFINISHED) or name in old:
                self._io.delete(self._folder / name)

    def append(self, pieces: Pieces) -> int:
        """Add pieces to the transaction; return their bytes in the file."""
        writer = self._running().writer
        before = writer.end
        with translated(self._folder, writing=True):
            writer.append(pieces)
        return writer.end - before

    def commit(self, head: bytes, body: bytes) -> int:
        """Add the entry and the pieces in one durable step; return the bytes written."""
        transaction = self._running()
        writer, log = transaction.writer, self._log
        before = log.end
        with translated(self._folder, writing=True):
            entry, frame = writer.entry(head, body)
        with self._guard:
            self._stale = True  # should Ctrl-C come now
            log.add(writer.pieces, entry, head, frame, writer.end)
            self._transaction, self._stale = None, False
        try:
            return log.end - before + self._after_commit()
        finally:
            transaction.lock.close()

    def _after_commit(self) -> int:
        """Write what makes the next opening quick; return its bytes. The commit is durable without it."""
        with suppress(OSError):
            self._note_durable()
            return HINT_BYTES + self._write_index(_UNINDEXED_RUNNING)
        return 0

    def roll_back(self, token: object) -> None:
        """End the transaction that this token began, if it is running; what it appended is gone."""
        with self._guard:
            transaction = self._transaction
            if transaction is None or transaction.token is not token:
                return
            self._transaction = None
            try:
                if transaction.writer.touched:
                    with suppress(OSError):  # or else the next writer does it
                        self._log.file.truncate(self._log.end)
            finally:
                transaction.lock.close()

    def _running(self) -> _Transaction:
        if self._transaction is None:
            raise RuntimeError("no transaction has begun, or it has ended")
        return self._transaction

    # --- deleting ----------------------------------------------------------------------------------------

    def keep(self, entries: Sequence[tuple[bytes, bytes]], pieces: Pieces) -> None:
        """Begin the next generation: these entries and pieces, nothing else. Ends the transaction."""
        transaction, old = self._running(), self._log
        name = log_name(old.generation + 1)
        unfinished = self._folder / (name + UNFINISHED)
        try:
            with translated(self._folder, writing=True):
                write_log(self._io, unfinished, old.generation + 1, entries, pieces)
                self._stale = True
                self._io.replace(unfinished, self._folder / name)
                self._io.sync_folder(self._folder)
        except BaseException:
            with suppress(OSError):
                self._io.delete(unfinished)
            raise
        with self._guard:
            self._transaction = None
        try:
            with translated(self._folder, writing=True):
                self._open(create=False)
                self._note_durable(sync=True)
                self._delete_leftovers()
                self._write_index(0)
        finally:
            transaction.lock.close()

    # --- the other files ---------------------------------------------------------------------------------

    def _note_durable(self, *, sync: bool = False) -> None:
        """Write down that the log is durable up to its end."""
        log = self._log
        self._write_hint(pack_hint(log.generation, log.end, len(log.index.entries)), sync=sync)
        log.durable, log.hinted = log.end, True

    def _write_hint(self, hint: bytes, *, sync: bool) -> None:
        """Write the file `durable` in place: it lies within one sector. Once in each generation it is synced."""
        file = self._io.open(self._hint_path, create=True)
        try:
            file.write(0, [hint])
            if sync:
                file.sync()
        finally:
            file.close()
        if sync:
            self._io.sync_folder(self._folder)

    def _write_index(self, at_most: int) -> int:
        """Write the index if more than `at_most`, and an eighth of all, is missing in it; return its bytes."""
        log = self._log
        if log.index.recent <= max(at_most, len(log.index) // 8):
            return 0
        data = log.index.pack(log.generation, log.end)
        self._publish(INDEX, [data])
        table = Table.parse(data)
        if table is not None:
            log.index = Index(table)
        return len(data)

    def _publish(self, name: str, parts: Sequence[Buffer]) -> None:
        """Write a small file whole, or not at all."""
        unfinished = self._folder / (name + UNFINISHED)
        write_whole(self._io, unfinished, parts)
        self._io.replace(unfinished, self._folder / name)

    def close(self) -> None:
        """Close the files."""
        self.settle()
        self._log.file.close()

    def settle(self) -> None:
        """Write the index where opening without it would take long."""
        if self._transaction is not None or self._log.index.recent <= _UNINDEXED_CLOSED:
            return
        token = object()
        with suppress(PodError):  # busy or read-only: the next one will
            try:
                self.begin(token, 0.0)
                with suppress(OSError):
                    self._write_index(_UNINDEXED_CLOSED)
            finally:
                self.roll_back(token)

    # --- looking after it --------------------------------------------------------------------------------

    def verify(self, progress: Progress | None = None) -> list[Damage]:
        """Read every byte of every file."""
        with translated(self._folder):
            found = verify_others(self._io, self._folder, HINT, INDEX)
            self.refresh()
            found += verify_log(self._log, progress)
        return found

    def stats(self) -> BackendStats:
        """Return how much it holds."""
        with translated(self._folder):
            index = _read(self._io, self._folder / INDEX)
        return replace(super().stats(), index_bytes=len(index or b""))


def write_whole(io: IO, path: Path, parts: Sequence[Buffer]) -> None:
    """Write a file and make it durable; its name is not yet."""
    file = io.open(path, create=True)
    try:
        file.truncate(0)
        file.write(0, parts)
        file.sync()
    finally:
        file.close()


def write_log(
    io: IO,
    path: Path,
    generation: int,
    entries: Sequence[tuple[bytes, bytes]],
    pieces: Pieces,
) -> int:
    """Write a log file and make it durable; its name is not yet. The first entry's transaction has all the pieces."""
    file = io.open(path, create=True)
    try:
        file.truncate(0)
        file.write(0, [pack_file_header(generation)])
        writer = Writer(file, FILE_HEADER_BYTES)
        writer.append(pieces)
        for head, body in entries:
            writer.entry(head, body, sync=False)
        file.sync()
        return writer.end
    finally:
        file.close()


def _read(io: IO, path: Path) -> bytes | None:
    try:
        file = io.open(path)
    except FileNotFoundError:
        return None
    try:
        return file.read(0, file.status().size_bytes)
    finally:
        file.close()
