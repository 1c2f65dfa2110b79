"""The backend of a Redis database: one script of the server's for each save.

::

    {pod:STORE}:state           hash: id (random), format, generation, entries (how many there are)
    {pod:STORE}:heads:G         list, of generation G
    {pod:STORE}:contents:G      list (`_catalogue`); `where` is the token of the writer that added the pieces
    {pod:STORE}:bodies:G        hash: number -> body
    {pod:STORE}:pieces:TOKEN    hash: digest, part (4 bytes, big-endian) -> bytes
    {pod:STORE}:lock            the writer's token; expires unless it is renewed

A writer's pieces are in a hash of its own that expires with its lock: the script that commits takes that off, where the
lock still has the writer's token. So what a killed writer leaves goes by itself, and one that was stopped for longer than
its lock lasts cannot commit.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from warnings import warn

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pod.errors import (
    InvalidArgument,
    NotAStore,
    NotDurableWarning,
    PodError,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from pod.log._catalogue import Catalogue
from pod.log._database import DatabaseBackend
from pod.log._redis_scripts import COMMIT, CREATE, RENEW, UNDO
from pod.log._renewal import Renewal
from pod.log._rows import parts_of
from pod.log._url import ServerUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pod.log._rows import Row

__all__ = ["LOCK_S", "RedisBackend"]

LOCK_S: Final = 30.0
"""How long a writer's lock outlives its last renewal."""

_FORMAT: Final = 1
_POLL_S: Final = 0.02
_ATTEMPTS: Final = 8
_CONNECT_TIMEOUT_S: Final = 10.0
_ANSWER_TIMEOUT_S: Final = 120.0


class RedisBackend(DatabaseBackend):
    """Pieces and entries in keys of a Redis database.

    A commit is one script, which no crash of a client or of the server divides. How durable it is, is the server's
    matter: with `appendonly yes` and `appendfsync always` it survives a power failure; otherwise, or where the server
    evicts keys or does not say, a `NotDurableWarning` says so. All is kept in the server's memory. The scripts that commit a
    collection keep other clients waiting, a second or so for a million pieces deleted.

    Parameters
    ----------
    url
        `redis://host:port/db`, `rediss://` (TLS) or `redis+unix:///socket?db=0`; with `store=NAME` the store, `pod` by
        default, and with `lock_s=SECONDS` how long a writer's lock outlives its last renewal (30), which comes three
        times as often: so long may a save wait after a writer was killed.
    create
        Make the store if it is missing.

    Raises
    ------
    NotAStore
        There is none, or one of a newer pod's.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._url = ServerUrl.parse(url)
        super().__init__(self._url.label)
        self._prefix = f"{{pod:{self._url.store}}}:"
        self._lock_ms = int((self._url.lock_s or LOCK_S) * 1000)
        self._client = self._new_client()
        self._token: bytes | None = None
        self._owed: list[bytes] = []  # tokens of locks that could not be given back
        self._renewal: Renewal | None = None
        self._open(create=create)
        self._catalogue = self._caught_up(None)
        for reason in self._why_not_durable():
            warn(f"{self._label}: {reason}", NotDurableWarning, stacklevel=6)

    def _new_client(self) -> redis.Redis:
        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 0),  # a script must not run twice
            "socket_connect_timeout": _CONNECT_TIMEOUT_S,
            "socket_timeout": _ANSWER_TIMEOUT_S,
            "socket_keepalive": True,
            "protocol": 2,
        }
        url = self._url.connect
        if url.startswith("redis+unix://"):
            url = url.removeprefix("redis+")
            del options["socket_keepalive"]
        try:
            return redis.Redis.from_url(url, **options)
        except (ValueError, TypeError) as error:
            raise InvalidArgument(f"{self._label}: {self._url.hide(str(error))}") from None

    def _open(self, *, create: bool) -> None:
        if self._ask("EXISTS", self._key("state")):
            return
        if not create:
            raise NotAStore(f"{self._label}: no store; make one with: pod init '{self._label}'")
        with self._translated(writing=True):
            self._run(CREATE, [self._key("state")], secrets.token_bytes(16), _FORMAT)

    def _why_not_durable(self) -> Iterator[str]:
        """Yield what the server says of itself that makes it lose what it has acknowledged."""
        try:
            found = {name: self._setting(name) for name in ("appendonly", "appendfsync", "maxmemory-policy")}
        except PodError:
            yield (
                "the server does not say whether it is durable (CONFIG GET is not allowed); see that it has"
                " appendonly yes and appendfsync always, or a power failure can take versions"
            )
            return
        if found["appendonly"] != "yes":
            yield (
                "the server keeps versions in memory (appendonly is no), and can lose all since its last snapshot; set"
                " appendonly yes and appendfsync always in redis.conf"
            )
        elif found["appendfsync"] != "always":
            yield (
                f"the server waits for no disk (appendfsync is {found['appendfsync']}), and can lose the versions of the"
                " last second in a power failure; set appendfsync always in redis.conf"
            )
        if found["maxmemory-policy"].startswith("allkeys"):
            yield (
                f"the server throws keys away when its memory is full (maxmemory-policy is {found['maxmemory-policy']});"
                " set it to noeviction in redis.conf"
            )

    def _setting(self, name: str) -> str:
        found: dict[str, str] = self._ask("CONFIG GET", name)
        return found.get(name, "")

    # --- talking to the server ---------------------------------------------------------------------------

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _pieces(self, where: bytes) -> bytes:
        return self._key("pieces:").encode() + where

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """Return the answer to a question; asked again if the connection had been lost before."""
        self._notice_fork()
        with self._translated():
            try:
                return ask()
            except redis.ConnectionError:
                return ask()

    def _ask(self, *command: Any) -> Any:
        return self._asked(lambda: self._client.execute_command(*command))  # type: ignore[no-untyped-call]

    def _ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the answers to questions, all of one instant, after one round trip."""
        return list(self._asked(lambda: self._sent(commands)))

    def _sent(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        with self._client.pipeline(transaction=True) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return list(pipeline.execute())

    def _run(self, script: str, keys: Sequence[Any], *arguments: Any) -> Any:
        return self._client.execute_command("EVAL", script, len(keys), *keys, *arguments)  # type: ignore[no-untyped-call]

    def _disconnect(self) -> None:
        self._let_go()
        with suppress(redis.RedisError):
            self._client.connection_pool.disconnect()

    # --- reading -----------------------------------------------------------------------------------------

    def _caught_up(self, known: Catalogue | None) -> Catalogue:
        for _ in range(_ATTEMPTS):
            count = 0 if known is None else len(known.heads)
            generation = self._state()[2] if known is None else known.generation
            state, heads, contents = self._ask_all(
                [
                    ("HMGET", self._key("state"), "id", "format", "generation", "entries"),
                    ("LRANGE", self._key(f"heads:{generation}"), max(0, count - 1), -1),
                    ("LRANGE", self._key(f"contents:{generation}"), count, -1),
                ]
            )
            store, _, newest, entries = self._checked(state)
            is_same = newest == generation and (known is None or known.store == store)
            if is_same and count:
                is_same = bool(heads) and known is not None and heads.pop(0) == known.heads[-1]
            if not is_same:
                known = None
                continue
            catalogue = known or Catalogue(store, generation)
            for head, listed in zip(heads, contents, strict=False):
                catalogue.add(head, listed)
            catalogue.is_damaged = len(catalogue.heads) != entries
            return catalogue
        raise StoreBusy(f"{self._label}: another process keeps replacing the store; try again")

    def _state(self) -> tuple[bytes, int, int, int]:
        return self._checked(self._ask("HMGET", self._key("state"), "id", "format", "generation", "entries"))

    def _checked(self, state: Sequence[bytes | None]) -> tuple[bytes, int, int, int]:
        store, version, generation, entries = state
        if store is None or version is None or generation is None or entries is None:
            raise NotAStore(f"{self._label}: the store is gone, or something else is in its place")
        if int(version) != _FORMAT:
            raise NotAStore(
                f"{self._label}: written by a newer pod (format {int(version)}); this one reads {_FORMAT}"
            )
        return store, int(version), int(generation), int(entries)

    def _fetch(self, rows: Sequence[Row]) -> list[bytes | None]:
        places: dict[bytes, list[int]] = {}
        for at, row in enumerate(rows):
            places.setdefault(row.where, []).append(at)
        answers = self._ask_all(
            [
                ("HMGET", self._pieces(where), *(_field(rows[at].digest, rows[at].part) for at in found))
                for where, found in places.items()
            ]
        )
        data: list[bytes | None] = [None] * len(rows)
        for found, answer in zip(places.values(), answers, strict=True):
            for at, each in zip(found, answer, strict=True):
                data[at] = each
        return data

    def _body(self, generation: int, number: int) -> bytes | None:
        body: bytes | None = self._ask("HGET", self._key(f"bodies:{generation}"), number)
        return body

    # --- writing -----------------------------------------------------------------------------------------

    def _lock(self, timeout_s: float) -> bytes | None:
        while self._owed:
            self._give_back(self._owed[-1])
            self._owed.pop()
        token = secrets.token_hex(16).encode()
        until = time.monotonic() + timeout_s
        self._token = token  # whatever interrupts this, the server may have set the lock
        while not self._is_locked(token):
            left = until - time.monotonic()
            if left <= 0:
                self._token = None
                return None
            time.sleep(min(left, _POLL_S))
        try:
            self._renewal = Renewal(lambda: self._is_renewed(token), self._lock_ms / 3000)
        except RuntimeError as error:
            raise StoreUnavailable(
                f"{self._label}: no thread that renews the lock can be started ({error}); nothing was saved: end some"
                " threads, or allow more"
            ) from error
        return token

    def _is_locked(self, token: bytes) -> bool:
        with self._translated(writing=True):
            try:
                return self._set_lock(token)
            except redis.ConnectionError:  # lost before, or after the server had set it: then it is ours
                return self._set_lock(token) or self._ask("GET", self._key("lock")) == token

    def _set_lock(self, token: bytes) -> bool:
        command = ("SET", self._key("lock"), token, "NX", "PX", self._lock_ms)
        return bool(self._client.execute_command(*command))  # type: ignore[no-untyped-call]

    def _is_renewed(self, token: bytes) -> bool:
        with self._translated():
            return bool(self._run(RENEW, [self._key("lock"), self._pieces(token)], token, self._lock_ms))

    def _send(self, where: bytes, rows: Sequence[tuple[bytes, int, bytes]]) -> None:
        fields = [each for digest, part, data in rows for each in (_field(digest, part), data)]
        with self._translated(writing=True):
            self._sent(
                [
                    ("HSET", self._pieces(where), *fields),
                    ("PEXPIRE", self._pieces(where), self._lock_ms),
                ]
            )

    def _commit(self, entry: tuple[bytes, bytes, bytes], where: bytes) -> None:
        self._finish([entry], self._catalogue.generation, [], where)

    def _keep(
        self, entries: Sequence[tuple[bytes, bytes, bytes]], doomed: Sequence[bytes], where: bytes
    ) -> None:
        places = self._catalogue.places
        gone: dict[bytes, list[bytes]] = {}
        for digest in doomed:
            gone.setdefault(places[digest].where, []).append(digest)
        kept = {place.where for place in (places[digest] for digest in places.keys() - set(doomed))}
        whole = [group for group in gone if group not in kept]
        partly = [
            each
            for group, digests in gone.items()
            if group in kept
            for each in (
                group,
                b"".join(_field(row.digest, row.part) for digest in digests for row in self._rows(digest)),
            )
        ]
        self._finish(entries, self._catalogue.generation + 1, [len(whole), *whole, *partly], where)

    def _finish(
        self,
        entries: Sequence[tuple[bytes, bytes, bytes]],
        generation: int,
        doomed: Sequence[Any],
        where: bytes,
    ) -> None:
        known, transaction = self._catalogue, self._running()
        fields = sum(parts_of(size) for size, _ in transaction.new.values())
        with self._translated(writing=True):
            said = self._run(
                COMMIT,
                [self._prefix, self._key("state"), self._key("lock"), self._pieces(where)],
                where,
                fields,
                known.generation,
                len(known.heads),
                generation,
                len(entries),
                *(part for entry in entries for part in entry),
                *(doomed or [0]),
            )
        if said != b"done":
            raise StoreBusy(
                f"{self._label}: this process did not renew its lock in time, and another one may have saved; nothing"
                " was saved: save again"
            )
        self._let_go()

    def _undo(self) -> None:
        token = self._let_go()
        if token is not None:
            self._owed.append(token)
            self._give_back(token)
            self._owed.remove(token)

    def _give_back(self, token: bytes) -> None:
        self._asked(lambda: self._run(UNDO, [self._key("lock"), self._pieces(token)], token))

    def _let_go(self) -> bytes | None:
        """Let the lock expire if nothing else ends it; return what it bears."""
        renewal, self._renewal = self._renewal, None
        token, self._token = self._token, None
        if renewal is not None:
            renewal.stop()
        return token

    # --- looking after it --------------------------------------------------------------------------------

    def _sizes(self) -> tuple[int, int]:
        generation = self._catalogue.generation
        groups = {place.where for place in self._catalogue.places.values()}
        keys = [
            *map(self._pieces, groups),
            *(self._key(f"{kind}:{generation}") for kind in ("heads", "bodies")),
        ]
        index = [self._key(f"contents:{generation}"), self._key("state")]
        sizes = self._ask_all([("MEMORY USAGE", key, "SAMPLES", 0) for key in (*keys, *index)])
        return sum(size or 0 for size in sizes[: len(keys)]), sum(size or 0 for size in sizes[len(keys) :])

    # --- errors ------------------------------------------------------------------------------------------

    @contextmanager
    def _translated(self, *, writing: bool = False) -> Iterator[None]:
        """Turn an error of the client library into one of pod's; the text of the former may hold a password."""
        try:
            yield
        except (redis.RedisError, OSError) as error:
            translation = self._translation(error, writing=writing)
            raise translation from None

    def _translation(self, error: Exception, *, writing: bool) -> PodError:
        said = " ".join(self._url.hide(str(error)).split())
        if isinstance(error, redis.OutOfMemoryError) or "OOM" in said or "No space left" in said:
            return StoreFull(
                f"{self._label}: the server is full ({said}); nothing was saved: give it more memory or disk"
            )
        if isinstance(error, redis.ReadOnlyError | redis.exceptions.NoPermissionError) and writing:
            return StoreReadOnly(f"{self._label}: it may not be written ({said}); nothing was saved")
        if "WRONGTYPE" in said:
            return NotAStore(
                f"{self._label}: something else is in its place ({said}); choose another name: ?store=NAME"
            )
        return StoreUnavailable(
            f"{self._label}: {said}; see that the server runs and lets you in, then try again: pod connects anew"
        )


def _field(digest: bytes, part: int) -> bytes:
    return digest + part.to_bytes(4, "big")
