"""The backend of a PostgreSQL database: a schema for each store, one transaction of the server's for each save.

::

    pod_store   one row: id (random), format, generation, entries (how many there are)
    pod_entry   generation, number | head, contents (`_catalogue`), body
    pod_piece   digest, part | data

A writer holds an advisory lock that ends with its transaction, and so with its connection: what a killed client had sent
is rolled back by the server at once, and its dead rows are the autovacuum's.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from warnings import warn
from weakref import finalize

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Composed, Identifier

from pod.errors import (
    InvalidArgument,
    NotAStore,
    NotDurableWarning,
    PodError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from pod.format import digest_of
from pod.log._catalogue import Catalogue
from pod.log._database import DatabaseBackend
from pod.log._url import ServerUrl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pod.log._rows import Row

__all__ = ["PostgresBackend"]

_FORMAT: Final = 1
_DEFAULTS: Final = {"connect_timeout": "10", "keepalives_idle": "30", "fallback_application_name": "pod"}
_LONGEST_WAIT_MS: Final = (1 << 31) - 1
_VACUUM_WAIT: Final = "5s"
_DOOMED_AT_ONCE: Final = 10_000

_TABLES: Final = (
    "CREATE TABLE {schema}.pod_store"
    " (id bytea NOT NULL, format int NOT NULL, generation bigint NOT NULL, entries bigint NOT NULL)",
    "CREATE TABLE {schema}.pod_entry (generation bigint, number bigint, head bytea NOT NULL,"
    " contents bytea NOT NULL, body bytea NOT NULL, PRIMARY KEY (generation, number))",
    "CREATE TABLE {schema}.pod_piece (digest bytea, part int, data bytea NOT NULL, PRIMARY KEY (digest, part))",
    "ALTER TABLE {schema}.pod_piece ALTER data SET STORAGE EXTERNAL",  # not to be compressed by the server
)
_CAUGHT_UP: Final = (
    "SELECT s.id, s.format, s.generation, s.entries, e.number, e.head,"
    " CASE WHEN e.number >= %(known)s THEN e.contents END"
    " FROM {schema}.pod_store s LEFT JOIN {schema}.pod_entry e"
    " ON e.generation = s.generation AND e.number >= %(known)s - 1 ORDER BY e.number"
)
_BEGIN: Final = (
    "SELECT set_config('idle_in_transaction_session_timeout', '0', true),"
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, true),"
    " current_setting('transaction_read_only')"
)
_SIZES: Final = (
    "SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint, coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = %s AND c.relname IN ('pod_store', 'pod_entry', 'pod_piece')"
)

_inherited: Final[list[object]] = []
"""Connections of the process that this one was forked from: to forget them would be to close them."""


class _Connections:
    """One connection to read by, and one to write by."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.reader: psycopg.Connection[Any] | None = None
        self.writer: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        """Close them, or leave them to the process whose they are."""
        found = [each for each in (self.reader, self.writer) if each is not None]
        self.reader = self.writer = None
        if self.process == os.getpid():
            for each in found:
                each.close()
        else:
            _inherited.extend(found)
            self.process = os.getpid()


class PostgresBackend(DatabaseBackend):
    """Pieces and entries in a schema of a PostgreSQL database.

    A commit is one transaction of the server's, with `synchronous_commit` at least `on`: it survives a power failure if
    the server has `fsync` on, else a `NotDurableWarning` says so.

    Parameters
    ----------
    url
        As libpq takes it, `postgresql://user@host:port/database`, and with `store=NAME` the schema, `pod` by default.
        A password comes best from `~/.pgpass` or `PGPASSWORD`.
    create
        Make the schema and its tables if they are missing.

    Raises
    ------
    NotAStore
        The schema has no store of pod's, or one of a newer pod's.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._url = ServerUrl.parse(url)
        super().__init__(self._url.label)
        if self._url.lock_s is not None:
            raise InvalidArgument(
                f"{self._label}: lock_s is for Redis; PostgreSQL's locks end with their connection"
            )
        if self._url.store.startswith("pg_"):
            raise InvalidArgument(f"{self._label}: PostgreSQL keeps names that begin with pg_ for itself")
        self._options = self._read_options()
        self._connections = _Connections()
        finalize(self, self._connections.close)
        key = digest_of(b"pod's writer of " + self._url.store.encode())
        self._lock_key = int.from_bytes(key[:8], "big", signed=True)
        self._open(create=create)
        self._catalogue = self._caught_up(None)
        if self._ask("SHOW fsync")[0][0] == "off":
            warn(
                f"{self._label}: the server does not wait for its disk (fsync is off), so a power failure can take the"
                " whole store; set fsync = on in postgresql.conf",
                NotDurableWarning,
                stacklevel=6,
            )

    def _read_options(self) -> dict[str, Any]:
        try:
            found = conninfo_to_dict(self._url.connect)
        except psycopg.Error as error:
            raise InvalidArgument(f"{self._label}: {self._said(error)}") from None
        return {name: value for name, value in _DEFAULTS.items() if name not in found}

    def _open(self, *, create: bool) -> None:
        if self._is_there():
            return
        if not create:
            raise NotAStore(f"{self._label}: no store; make one with: pod init '{self._label}'")
        with self._guard, self._translated(writing=True), self._reading().transaction():
            self._reading().execute("SELECT pg_advisory_xact_lock(%s)", [self._lock_key])
            if not self._is_there():
                if not self._ask(
                    "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [self._url.store]
                ):
                    self._reading().execute(self._sql("CREATE SCHEMA IF NOT EXISTS {schema}"))
                for statement in _TABLES:
                    self._reading().execute(self._sql(statement))
                self._reading().execute(
                    self._sql("INSERT INTO {schema}.pod_store VALUES (%s, %s, 1, 0)"),
                    [secrets.token_bytes(16), _FORMAT],
                )

    def _is_there(self) -> bool:
        where = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = 'pod_store'"
        return bool(self._ask(where, [self._url.store]))

    def _sql(self, statement: str) -> Composed:
        return SQL(statement).format(schema=Identifier(self._url.store))

    # --- connections -------------------------------------------------------------------------------------

    def _connected(self, *, autocommit: bool) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._url.connect,
            autocommit=autocommit,
            prepare_threshold=None,  # poolers between here and the server know nothing of prepared statements
            **self._options,
        )

    def _reading(self) -> psycopg.Connection[Any]:
        held = self._connections
        if held.reader is None or held.reader.closed:
            held.reader = self._connected(autocommit=True)
        return held.reader

    def _writing(self) -> psycopg.Connection[Any]:
        held = self._connections
        if held.writer is None or held.writer.closed:
            held.writer = self._connected(autocommit=False)
        return held.writer

    def _ask(self, query: str | Composed, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Return the answer to a query; asked again if the connection had been lost before."""
        self._notice_fork()
        encoded = query.encode() if isinstance(query, str) else query
        with self._guard, self._translated():
            try:
                return self._reading().execute(encoded, parameters, binary=True).fetchall()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if self._connections.reader is not None and not self._connections.reader.closed:
                    raise
            return self._reading().execute(encoded, parameters, binary=True).fetchall()

    def _disconnect(self) -> None:
        self._connections.close()

    # --- reading -----------------------------------------------------------------------------------------

    def _caught_up(self, known: Catalogue | None) -> Catalogue:
        count = 0 if known is None else len(known.heads)
        found = self._ask(self._sql(_CAUGHT_UP), {"known": count})
        if not found:
            raise NotAStore(f"{self._label}: what was a store is empty; it may have been restored by halves")
        store, version, generation, entries = found[0][:4]
        if version != _FORMAT:
            raise NotAStore(
                f"{self._label}: written by a newer pod (format {version}); this one reads {_FORMAT}"
            )
        is_same = known is not None and (known.store, known.generation) == (store, generation)
        rows = [row[4:] for row in found if row[4] is not None]
        if known is not None and count and not (is_same and rows and rows.pop(0)[1] == known.heads[-1]):
            return self._caught_up(None)  # collected, set back, or another store
        catalogue = known if known is not None and is_same else Catalogue(store, generation)
        for number, head, contents in rows:
            if number != len(catalogue.heads):
                break
            catalogue.add(head, contents)
        catalogue.is_damaged = len(catalogue.heads) != entries
        return catalogue

    def _fetch(self, rows: Sequence[Row]) -> list[bytes | None]:
        found = self._ask(
            self._sql(
                "SELECT digest, part, data FROM {schema}.pod_piece"
                " JOIN unnest(%b::bytea[], %b::int4[]) AS wanted (digest, part) USING (digest, part)"
            ),
            [[row.digest for row in rows], [row.part for row in rows]],
        )
        held = {(digest, part): data for digest, part, data in found}
        return [held.get((row.digest, row.part)) for row in rows]

    def _body(self, generation: int, number: int) -> bytes | None:
        query = "SELECT body FROM {schema}.pod_entry WHERE generation = %s AND number = %s"
        found = self._ask(self._sql(query), [generation, number])
        return bytes(found[0][0]) if found else None

    # --- writing -----------------------------------------------------------------------------------------

    def _lock(self, timeout_s: float) -> bytes | None:
        with self._translated(writing=True):
            try:
                read_only = self._writing().execute(_BEGIN).fetchall()[0][2]
            except (psycopg.OperationalError, psycopg.InterfaceError):  # the connection had been lost before
                self._undo()
                read_only = self._writing().execute(_BEGIN).fetchall()[0][2]
            if read_only == "on":
                raise StoreReadOnly(
                    f"{self._label}: the server takes no writes (a standby?); use its primary"
                )
            return b"" if self._is_locked(timeout_s) else None

    def _is_locked(self, timeout_s: float) -> bool:
        writer = self._writing()
        wait_ms = int(min(timeout_s * 1000, _LONGEST_WAIT_MS))
        if wait_ms < 1:
            is_held = writer.execute("SELECT pg_try_advisory_xact_lock(%s)", [self._lock_key]).fetchall()[0][
                0
            ]
            if not is_held:
                writer.rollback()
            return bool(is_held)
        writer.execute("SELECT set_config('lock_timeout', %s, true)", [str(wait_ms)])
        try:
            writer.execute("SELECT pg_advisory_xact_lock(%s)", [self._lock_key])
        except errors.LockNotAvailable:
            writer.rollback()
            return False
        writer.execute("SELECT set_config('lock_timeout', '0', true)")
        return True

    def _send(self, where: bytes, rows: Sequence[tuple[bytes, int, bytes]]) -> None:
        statement = self._sql("COPY {schema}.pod_piece (digest, part, data) FROM STDIN (FORMAT BINARY)")
        with (
            self._translated(writing=True),
            self._writing().cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            copy.set_types(["bytea", "int4", "bytea"])
            for row in rows:
                copy.write_row(row)

    def _commit(self, entry: tuple[bytes, bytes, bytes], where: bytes) -> None:
        known = self._catalogue
        self._finish(known.generation, len(known.heads), known.generation, [entry])

    def _keep(
        self, entries: Sequence[tuple[bytes, bytes, bytes]], doomed: Sequence[bytes], where: bytes
    ) -> None:
        known = self._catalogue
        with self._translated(writing=True):
            for start in range(0, len(doomed), _DOOMED_AT_ONCE):
                self._writing().execute(
                    self._sql("DELETE FROM {schema}.pod_piece WHERE digest = ANY(%b::bytea[])"),
                    [list(doomed[start : start + _DOOMED_AT_ONCE])],
                )
            self._writing().execute(self._sql("DELETE FROM {schema}.pod_entry"))
        self._finish(known.generation, 0, known.generation + 1, entries)
        self._give_back()

    def _finish(
        self, old: int, first: int, generation: int, entries: Sequence[tuple[bytes, bytes, bytes]]
    ) -> None:
        """Add entries to a generation, and commit."""
        with self._translated(writing=True):
            writer = self._writing()
            with writer.cursor() as cursor:
                cursor.executemany(
                    self._sql("INSERT INTO {schema}.pod_entry VALUES (%b, %b, %b, %b, %b)"),
                    [(generation, first + at, *entry) for at, entry in enumerate(entries)],
                )
            changed = writer.execute(
                self._sql(
                    "UPDATE {schema}.pod_store SET generation = %s, entries = %s WHERE generation = %s"
                ),
                [generation, first + len(entries), old],
            )
            if changed.rowcount != 1:
                raise StoreUnavailable(
                    f"{self._label}: the store was replaced while this was saved; save again"
                )
            writer.commit()

    def _give_back(self) -> None:
        """Give the space of what was deleted back to the disk, if nobody reads meanwhile; else autovacuum uses it."""
        with suppress(PodError):
            self._ask("SELECT set_config('lock_timeout', %s, false)", [_VACUUM_WAIT])
            try:
                with self._guard, self._translated():
                    for table in ("pod_entry", "pod_piece"):
                        self._reading().execute(self._sql("VACUUM (FULL) {schema}." + table))
            finally:
                self._ask(
                    "SELECT set_config(name, reset_val, false) FROM pg_settings WHERE name = 'lock_timeout'"
                )

    def _undo(self) -> None:
        writer = self._connections.writer
        if writer is None or writer.closed:
            return
        try:
            with self._translated():
                writer.rollback()
        except PodError:
            writer.close()

    def _sizes(self) -> tuple[int, int]:
        log_bytes, index_bytes = self._ask(_SIZES, [self._url.store])[0]
        return int(log_bytes), int(index_bytes)

    # --- errors ------------------------------------------------------------------------------------------

    def _said(self, error: BaseException) -> str:
        return " ".join(self._url.hide(str(error)).split())

    @contextmanager
    def _translated(self, *, writing: bool = False) -> Iterator[None]:
        """Turn an error of the client library into one of pod's; the text of the former may hold a password."""
        try:
            yield
        except psycopg.Error as error:
            translation = self._translation(error, writing=writing)
            raise translation from None

    def _translation(self, error: psycopg.Error, *, writing: bool) -> PodError:
        said = self._said(error)
        if isinstance(error, errors.DiskFull):
            return StoreFull(
                f"{self._label}: the server's disk is full ({said}); nothing was saved: free some space there"
            )
        if isinstance(error, errors.ReadOnlySqlTransaction | errors.InsufficientPrivilege) and writing:
            return StoreReadOnly(f"{self._label}: it may not be written ({said}); nothing was saved")
        if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
            return NotAStore(f"{self._label}: the store is gone, or half of it ({said})")
        return StoreUnavailable(
            f"{self._label}: {said}; see that the server runs and lets you in, then try again: pod connects anew"
        )
