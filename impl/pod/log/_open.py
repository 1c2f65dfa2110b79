"""Which backend a location means: a folder, or a URL.

::

    path, file:///path                          FileBackend
    memory://NAME                               MemoryBackend     ends with the process
    postgresql://user@host:port/database        PostgresBackend   pip install 'pond-pod-bench[postgres]'
    redis://host:port/db                        RedisBackend      pip install 'pond-pod-bench[redis]'
                                                                  also rediss:// (TLS) and redis+unix:///socket

A database holds several stores: `?store=NAME` says which, `pod` by default. Each backend's class says what it promises.
"""

from __future__ import annotations

import os
import re
import reprlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from pod.errors import InvalidArgument
from pod.io import OS
from pod.log._file import FileBackend
from pod.log._memory import MemoryBackend
from pod.log._url import ServerUrl, hidden, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.io import IO
    from pod.log._backend import Backend

__all__ = ["open_backend"]

_POSTGRES: Final = frozenset({"postgresql", "postgres"})
_REDIS: Final = frozenset({"redis", "rediss", "redis+unix"})
_KNOWN: Final = "file, memory, postgresql, redis, rediss, redis+unix"
_MANGLED = re.compile(r"(file|memory|postgres|postgresql|rediss?|redis\+unix):/")


def open_backend(
    location: str | os.PathLike[str], *, create: bool = True, io: IO = OS
) -> tuple[Path | str, Backend]:
    """Open what a folder's path or a URL leads to.

    Parameters
    ----------
    location
        A URL must be a `str`: a `Path` loses one of its slashes.
    create
        Make the store if it is missing.
    io
        Of a folder.

    Returns
    -------
    tuple
        What errors call it (the folder, or the URL without passwords), and the backend.

    Raises
    ------
    InvalidArgument
        The URL is none that pod knows, or the client library of its database is missing.
    NotAStore, StoreReadOnly, StoreUnavailable
    """
    try:
        text = os.fspath(location)
    except TypeError as error:
        raise InvalidArgument(
            f"the path is a {type(location).__name__}, {reprlib.repr(location)}; give a folder or a URL"
        ) from error
    scheme = scheme_of(text)
    if scheme is None:
        if not isinstance(location, str) and _MANGLED.match(text):
            raise InvalidArgument(f"{hidden(text)}: a URL is to be given as a str, not as a Path")
        return Path(text), FileBackend(Path(text), io=io, create=create)
    if scheme == "file":
        folder = _folder(text)
        return folder, FileBackend(folder, io=io, create=create)
    if scheme == "memory":
        return text, MemoryBackend(_memory_name(text), create=create)
    if scheme not in _POSTGRES | _REDIS:
        raise InvalidArgument(f"{hidden(text)}: pod knows no {scheme}://; there are {_KNOWN}")
    return ServerUrl.parse(text).label, _server(scheme, text, create=create)


def _server(scheme: str, url: str, *, create: bool) -> Backend:
    if scheme in _POSTGRES:
        with _library("psycopg", "postgres"):
            from pod.log._postgres import PostgresBackend
        return PostgresBackend(url, create=create)
    with _library("redis", "redis"):
        from pod.log._redis import RedisBackend
    return RedisBackend(url, create=create)


@contextmanager
def _library(name: str, extra: str) -> Iterator[None]:
    """Say what to install where a client library is missing, or lacks a library of its own."""
    try:
        yield
    except ImportError as error:
        raise InvalidArgument(
            f"{extra}: the Python package {name} cannot be imported ({error}); get it with:"
            f" pip install 'pond-pod-bench[{extra}]'"
        ) from error


def _folder(url: str) -> Path:
    split = urlsplit(url)
    if split.netloc not in {"", "localhost"} or not split.path.startswith("/") or split.query:
        raise InvalidArgument(f"{hidden(url)}: a folder's URL is file:///and/its/path, without a host")
    return Path(unquote(split.path))


def _memory_name(url: str) -> str:
    _, _, name = url.partition("://")
    if not name:
        raise InvalidArgument(f"{url}: a store in memory needs a name, as in memory://mine")
    return name
