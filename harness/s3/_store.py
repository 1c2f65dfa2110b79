"""Objects in a folder: bytes in files, everything else in one SQLite table.

::

    folder/objects.sqlite      buckets, objects, uploads, parts: key -> blob, size, etag, time, headers
    folder/blobs/3f/3f…        the bytes of one object or part, never changed once its row exists

A write goes to a new blob; the row that names it is committed when the blob is whole, so a reader sees the old object or
the new one, and so does a restart. Blobs that no row names (a crash between the two) are removed at start.
The table survives the death of the process; it is not synced for the death of the machine.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.s3._errors import S3Refusal, S3ServerError
from harness.s3._listing import Page, list_page

__all__ = ["Condition", "ObjectStore", "Part", "StoredObject"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, created REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  bucket TEXT NOT NULL, key BLOB NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified REAL NOT NULL, headers TEXT NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
  id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, headers TEXT NOT NULL, started REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
  upload TEXT NOT NULL, number INTEGER NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified REAL NOT NULL, PRIMARY KEY (upload, number)) WITHOUT ROWID;
"""
_OBJECT = "SELECT key, blob, size, etag, modified, headers FROM objects WHERE bucket = ?"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """`headers`: content-type, x-amz-meta-* and the other headers that are kept and given back."""

    key: str
    blob: str
    size: int
    etag: str
    modified: float
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    blob: str
    size: int
    etag: str
    modified: float


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of the object that a write replaces (``If-None-Match: *``, ``If-Match: etag``)."""

    absent: bool = False
    etag: str | None = None


class ObjectStore:
    """The buckets of one folder. Used from one thread (blobs may be filled from any)."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._blobs = folder / "blobs"
        self._clock = clock
        try:
            self._blobs.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                folder / "objects.sqlite", isolation_level=None, timeout=0.2, cached_statements=64
            )
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise S3ServerError(f"cannot use {folder} as the folder of an S3 server: {error}") from error
        self._known_buckets = {str(row[0]) for row in self._db.execute("SELECT name FROM buckets")}
        self._sweep()

    def close(self) -> None:
        self._db.close()

    # blobs

    def new_blob(self) -> tuple[str, Path]:
        """A name nobody uses and where its bytes go."""
        blob = uuid.uuid4().hex
        path = self.blob_path(blob)
        path.parent.mkdir(exist_ok=True)
        return blob, path

    def blob_path(self, blob: str) -> Path:
        return self._blobs / blob[:2] / blob

    def drop_blob(self, blob: str) -> None:
        """Remove bytes no row names; those who have them open read on."""
        self.blob_path(blob).unlink(missing_ok=True)

    def _sweep(self) -> None:
        named = {row[0] for row in self._db.execute("SELECT blob FROM objects UNION SELECT blob FROM parts")}
        for path in self._blobs.glob("??/*"):
            if path.name not in named:
                path.unlink()

    # buckets

    def buckets(self) -> list[tuple[str, float]]:
        return [
            (str(n), float(c)) for n, c in self._db.execute("SELECT name, created FROM buckets ORDER BY name")
        ]

    def need_bucket(self, bucket: str) -> None:
        if bucket not in self._known_buckets:
            raise S3Refusal("NoSuchBucket", f"The specified bucket does not exist: {bucket}")

    def create_bucket(self, bucket: str) -> None:
        if bucket in self._known_buckets:
            raise S3Refusal("BucketAlreadyOwnedByYou", f"The bucket exists already and is yours: {bucket}")
        self._db.execute("INSERT INTO buckets VALUES (?, ?)", (bucket, self._clock()))
        self._known_buckets.add(bucket)

    def delete_bucket(self, bucket: str) -> None:
        self.need_bucket(bucket)
        if self._db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (bucket,)).fetchone():
            raise S3Refusal("BucketNotEmpty", f"The bucket is not empty: {bucket}")
        self._db.execute("DELETE FROM buckets WHERE name = ?", (bucket,))
        self._known_buckets.discard(bucket)

    # objects

    def find(self, bucket: str, key: str) -> StoredObject | None:
        row = self._db.execute(f"{_OBJECT} AND key = ?", (bucket, key.encode())).fetchone()
        return None if row is None else _stored(row)

    def get(self, bucket: str, key: str) -> StoredObject:
        """The object, or NoSuchBucket or NoSuchKey."""
        self.need_bucket(bucket)
        found = self.find(bucket, key)
        if found is None:
            raise S3Refusal("NoSuchKey", f"The specified key does not exist: {key}")
        return found

    def check(self, bucket: str, key: str, condition: Condition) -> StoredObject | None:
        """What a write would replace, if `condition` lets it; else PreconditionFailed."""
        self.need_bucket(bucket)
        old = self.find(bucket, key)
        if condition.absent and old is not None:
            raise S3Refusal(
                "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
            )
        if condition.etag is not None:
            if old is None:
                raise S3Refusal("NoSuchKey", f"The specified key does not exist: {key}")
            if condition.etag not in ("*", old.etag):
                raise S3Refusal(
                    "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
                )
        return old

    def commit(
        self,
        bucket: str,
        key: str,
        *,
        blob: str,
        size: int,
        etag: str,
        headers: Mapping[str, str],
        condition: Condition,
        upload: str | None = None,
    ) -> StoredObject:
        """Make `blob` the object, atomically, if `condition` holds at this moment; ends `upload` with it."""
        old = self.check(bucket, key, condition)
        stored = StoredObject(key, blob, size, etag, self._clock(), headers)
        dropped: list[str] = [] if old is None else [old.blob]
        self._db.execute("BEGIN")
        self._db.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)",
            (bucket, key.encode(), blob, size, etag, stored.modified, json.dumps(dict(headers))),
        )
        if upload is not None:
            dropped += self._forget_upload(upload)
        self._db.execute("COMMIT")
        for name in dropped:
            self.drop_blob(name)
        return stored

    def delete(self, bucket: str, key: str) -> None:
        """Gone afterwards, whether it was there or not."""
        self.need_bucket(bucket)
        old = self.find(bucket, key)
        if old is not None:
            self._db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key.encode()))
            self.drop_blob(old.blob)

    def list_objects(
        self, bucket: str, *, prefix: str, delimiter: str, after: str, max_keys: int
    ) -> Page[StoredObject]:
        self.need_bucket(bucket)

        def scan(start: bytes, end: bytes | None, limit: int) -> list[StoredObject]:
            if end is None:
                rows = self._db.execute(
                    f"{_OBJECT} AND key >= ? ORDER BY key LIMIT ?", (bucket, start, limit)
                )
            else:
                rows = self._db.execute(
                    f"{_OBJECT} AND key >= ? AND key < ? ORDER BY key LIMIT ?", (bucket, start, end, limit)
                )
            return [_stored(row) for row in rows]

        return list_page(scan, prefix=prefix, delimiter=delimiter, after=after, max_keys=max_keys)

    # multipart uploads

    def create_upload(self, bucket: str, key: str, headers: Mapping[str, str]) -> str:
        self.need_bucket(bucket)
        upload = uuid.uuid4().hex
        self._db.execute(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, ?)",
            (upload, bucket, key.encode(), json.dumps(dict(headers)), self._clock()),
        )
        return upload

    def upload_headers(self, bucket: str, key: str, upload: str) -> dict[str, str]:
        """What the object of `upload` will carry, or NoSuchUpload."""
        self.need_bucket(bucket)
        row = self._db.execute(
            "SELECT headers FROM uploads WHERE id = ? AND bucket = ? AND key = ?",
            (upload, bucket, key.encode()),
        ).fetchone()
        if row is None:
            raise S3Refusal(
                "NoSuchUpload", "The upload does not exist: it was completed, aborted or never created"
            )
        headers: dict[str, str] = json.loads(row[0])
        return headers

    def uploads(self, bucket: str, prefix: str) -> list[tuple[str, str, float]]:
        """(key, upload id, start) of those in progress."""
        self.need_bucket(bucket)
        rows = self._db.execute(
            "SELECT key, id, started FROM uploads WHERE bucket = ? ORDER BY key, started", (bucket,)
        )
        found = ((key.decode(), str(upload), float(started)) for key, upload, started in rows)
        return [entry for entry in found if entry[0].startswith(prefix)]

    def put_part(self, upload: str, number: int, *, blob: str, size: int, etag: str) -> None:
        old = self._db.execute(
            "SELECT blob FROM parts WHERE upload = ? AND number = ?", (upload, number)
        ).fetchone()
        self._db.execute(
            "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?)",
            (upload, number, blob, size, etag, self._clock()),
        )
        if old is not None:
            self.drop_blob(old[0])

    def parts(self, upload: str) -> list[Part]:
        rows = self._db.execute(
            "SELECT number, blob, size, etag, modified FROM parts WHERE upload = ? ORDER BY number", (upload,)
        )
        return [Part(*row) for row in rows]

    def abort_upload(self, upload: str) -> None:
        self._db.execute("BEGIN")
        dropped = self._forget_upload(upload)
        self._db.execute("COMMIT")
        for name in dropped:
            self.drop_blob(name)

    def _forget_upload(self, upload: str) -> list[str]:
        dropped = [
            str(row[0]) for row in self._db.execute("SELECT blob FROM parts WHERE upload = ?", (upload,))
        ]
        self._db.execute("DELETE FROM parts WHERE upload = ?", (upload,))
        self._db.execute("DELETE FROM uploads WHERE id = ?", (upload,))
        return dropped


def _stored(row: tuple[bytes, str, int, str, float, str]) -> StoredObject:
    key, blob, size, etag, modified, headers = row
    return StoredObject(
        key.decode(), blob, size, etag, modified, json.loads(headers) if headers != "{}" else {}
    )
