"""Objects in S3 (and in memory) through obstore.

obstore's synchronous API, called from a bounded pool of threads, costs a tenth of boto3's CPU per GET and releases
the interpreter lock while it waits. Reads use a client that never retries by itself: all attempts are counted and
paced in one place, ``get_range``, because a body that breaks off half-way is not retried by obstore.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore import exceptions as errors

from pond.errors import (
    AccessDenied,
    AlreadyExists,
    NoSuchBucket,
    NotFound,
    ObjectChanged,
    PondError,
    StoreUnavailable,
)
from pond.store._protocol import ObjectInfo

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client
    from typing_extensions import Buffer

_T = TypeVar("_T")

_MISSING = (FileNotFoundError, errors.NotFoundError)
_FAILURES = (errors.BaseError, *_MISSING)
_REFUSALS = (errors.PermissionDeniedError, errors.UnauthenticatedError)
_STATUS = re.compile(r"status code: (\d{3}) ([A-Za-z ]+)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_PART_BYTES = 8 << 20
_UPLOADS = 8
_ABANDON_S = 5.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a read is tried.

    Attributes
    ----------
    attempts : tries in all
    first_wait_s, longest_wait_s : bounds of the exponential backoff; each wait is drawn from its upper half
    """

    attempts: int = 8
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0

    def waits_s(self, draw: Callable[[], float]) -> Iterator[float]:
        """Yield the wait after each failed attempt but the last."""
        for attempt in range(self.attempts - 1):
            yield min(self.longest_wait_s, self.first_wait_s * 2**attempt) * (0.5 + draw() / 2)


class ClientStore:
    """Objects under a prefix of a bucket, through obstore clients.

    Parameters
    ----------
    url
        The address of the prefix.
    prefix
        What to put before every key, empty or ending in a slash.
    reader, writer
        Clients without and with retries of their own.
    retry
        How reads are retried.
    on_retry
        Called once for every failed attempt that is tried again, with the reason.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        reader: "Client",
        writer: "Client",
        *,
        retry: RetryPolicy | None = None,
        on_retry: Callable[[str], None] = lambda _reason: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._prefix = prefix
        self._reader = reader
        self._writer = writer
        self._retry = retry or RetryPolicy()
        self.on_retry = on_retry
        self._sleep = sleep

    def get_range(self, key: str, offset: int, length: int, etag: str = "") -> "Buffer":
        """Return exactly ``length`` bytes at ``offset``."""
        if length == 0:
            return b""
        options: obstore.GetOptions = {"range": (offset, offset + length)}
        if etag:
            options["if_match"] = etag

        def attempt() -> "Buffer":
            result = obstore.get(self._reader, self._prefix + key, options=options)
            if result.meta["size"] < offset + length:
                raise self._shortened(key)
            data: Buffer = result.bytes()
            got = len(memoryview(data))
            if got != length:
                raise errors.GenericError(f"{got} bytes came instead of {length}")
            return data

        return self._attempts(key, attempt)

    def head(self, key: str) -> ObjectInfo:
        """Return what is known of an object."""
        meta = self._attempts(key, lambda: obstore.head(self._reader, self._prefix + key))
        return ObjectInfo(key, meta["size"], meta["e_tag"] or "")

    def put(self, key: str, body: "Iterable[Buffer]") -> ObjectInfo:
        """Write an object of any size from parts, several at a time.

        The client cannot be interrupted, so it works in a thread of its own: Ctrl-C abandons it.
        """
        upload = _Upload(body)
        result: Future[obstore.PutResult] = Future()

        def work() -> None:
            try:
                result.set_result(
                    obstore.put(
                        self._writer,
                        self._prefix + key,
                        upload.parts(),
                        chunk_size=_PART_BYTES,
                        max_concurrency=_UPLOADS,
                    )
                )
            except BaseException as error:  # noqa: BLE001  (raised again below)
                result.set_exception(error)

        thread = threading.Thread(target=work, name="pond-put", daemon=True)
        thread.start()
        try:
            stored = result.result()
        except BaseException as error:
            if thread.is_alive():
                upload.abandoned.set()
                thread.join(_ABANDON_S)
            if upload.failure is not None:
                raise upload.failure from None
            if isinstance(error, _FAILURES):
                raise self._translated(error, key) from error
            raise
        return ObjectInfo(key, upload.size_bytes, stored["e_tag"] or "")

    def put_if_absent(self, key: str, body: "Buffer") -> ObjectInfo:
        """Write a small object in one step, or raise ``AlreadyExists``.

        An answer that was lost on the way is asked for again: the object that is then in the way is told from another
        writer's by reading it back. Whatever else a later attempt is answered, the first may still have worked, or
        may yet: that is ``StoreUnavailable``, never a refusal.
        """
        data = bytes(memoryview(body))
        path = self._prefix + key
        lost: list[Exception] = []

        def attempt() -> ObjectInfo:
            try:  # by the client without retries of its own: none may be lost from sight
                result = obstore.put(self._reader, path, data, mode="create", use_multipart=False)
            except _FAILURES as error:
                if isinstance(self._translated(error, key), StoreUnavailable):
                    lost.append(error)
                raise
            return ObjectInfo(key, len(data), result["e_tag"] or "")

        try:
            return self._attempts(key, attempt)
        except AlreadyExists as error:
            try:
                info = self.head(key)
                if info.size_bytes == len(data) and bytes(self.get_range(key, 0, len(data))) == data:
                    return info
            except NotFound:  # one that is still on its way
                raise self._undecided(key) from error
            raise
        except PondError as error:
            if lost and not isinstance(error, StoreUnavailable):
                raise self._undecided(key) from error
            raise

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys start with ``prefix``."""
        folder, _, rest = (self._prefix + prefix).rpartition("/")
        try:
            for batch in obstore.list(self._writer, prefix=folder or None):
                for meta in batch:
                    path = meta["path"]
                    if path.startswith(f"{folder}/{rest}" if folder else rest):
                        key = path.removeprefix(self._prefix)
                        yield ObjectInfo(key, meta["size"], meta["e_tag"] or "")
        except _FAILURES as error:
            raise self._translated(error, prefix) from error

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        try:
            obstore.delete(self._writer, self._prefix + key)
        except _MISSING:
            return
        except errors.BaseError as error:
            raise self._translated(error, key) from error

    def _attempts(self, key: str, attempt: Callable[[], _T]) -> _T:
        waits = self._retry.waits_s(random.random)
        while True:
            try:
                return attempt()
            except _FAILURES as error:
                translated = self._translated(error, key)
                wait_s = next(waits, None) if isinstance(translated, StoreUnavailable) else None
                if wait_s is None:
                    raise translated from error
                self.on_retry(str(translated))
            self._sleep(wait_s)

    def _translated(self, error: Exception, key: str) -> PondError:
        """Return pond's error for one of obstore's.

        The text of a message is searched for what a server answers only where it quotes the server: it quotes the
        key, the port and the time, too, and any of them may look like a status.
        """
        where = f"{self.url}/{key}".rstrip("/")
        text = str(error)
        status = found[1] if (found := _STATUS.search(text)) else ""
        code = found[1] if (found := _CODE.search(text)) else ""
        if code == "NoSuchBucket":
            return NoSuchBucket(f"{self.url}: no such bucket")
        if isinstance(error, _MISSING):
            return NotFound(f"{where}: no such object")
        if isinstance(error, errors.AlreadyExistsError):
            return AlreadyExists(f"{where}: exists already")
        if isinstance(error, errors.PreconditionError):
            return ObjectChanged(
                f"{where}: the object was replaced since the version was made (etag differs)"
            )
        if isinstance(error, _REFUSALS) or status in ("401", "403"):
            return AccessDenied(f"{where}: access denied; check the AWS credentials and the bucket's policy")
        if status == "416" or text.startswith("Generic InMemory error: Invalid range"):
            return self._shortened(key)
        return StoreUnavailable(f"{where}: {_first_line(text)}")

    def _undecided(self, key: str) -> StoreUnavailable:
        return StoreUnavailable(f"{self.url}/{key}: an answer was lost; whether it was written is not known")

    def _shortened(self, key: str) -> ObjectChanged:
        return ObjectChanged(f"{self.url}/{key}: shorter than when the version was made")


class _Upload:
    """A body on its way: how much of it, and why it ended early."""

    def __init__(self, body: "Iterable[Buffer]") -> None:
        self._body = body
        self.size_bytes = 0
        self.failure: BaseException | None = None
        self.abandoned = threading.Event()

    def parts(self) -> "Iterator[Buffer]":
        """Yield the body's parts until they are abandoned."""
        try:
            for part in self._body:
                if self.abandoned.is_set():
                    raise StoreUnavailable("the upload was abandoned")
                self.size_bytes += len(memoryview(part))
                yield part
        except BaseException as error:
            if not self.abandoned.is_set():
                self.failure = error
            raise


def _first_line(text: str) -> str:
    """Return the part of obstore's message that a person can use."""
    line = text.split("\n", 1)[0].partition(": <?xml")[0].strip().rstrip(":")
    return line if len(line) <= 300 else line[:300] + "…"
