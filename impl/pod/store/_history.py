"""Versions of a store: which there are, what they are called, and how they differ."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Final

from pod.errors import InvalidArgument, NoSuchVersion, StoreClosed
from pod.store._arguments import checked_version
from pod.store._compare import Contents, compare
from pod.store._future import SaveFuture
from pod.store._record import Record
from pod.store._report import Diff, Unsaved, Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pod.log import Log

TAG: Final = "tag/"
BRANCH: Final = "branch/"


class History:
    """What a store knows of its versions."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._guard = RLock()
        self._running: SaveFuture | None = None
        self._closed = False

    @property
    def path(self) -> Path | str:
        """The store's folder, or its URL without passwords."""
        return self._log.path

    def _settle(self) -> None:
        """Wait for a running save; its error stays in its future."""
        if self._closed:
            raise StoreClosed(f"{self.path}: the store was closed")
        if self._running is not None:
            self._running.exception()

    def _record(self, tid: int) -> Record:
        return Record.parse(self._log.record(tid))

    def _resolve(self, version: int | str | SaveFuture) -> int:
        if isinstance(version, SaveFuture):
            version = version.result()
        named = checked_version(version)
        self._settle()
        newest = self._log.head()
        if isinstance(named, str):
            refs = self._log.refs()
            for kind in (BRANCH, TAG):
                if kind + named in refs:
                    return refs[kind + named]
            if not named.isdecimal():
                raise NoSuchVersion(f"{self.path}: no tag or branch is called {named}")
            named = int(named)
        if newest is None or named not in self._log.tids():
            raise NoSuchVersion(f"{self.path}: there is no version {named}")
        return named

    # History

    def log(self) -> list[Version]:
        """Return all versions, newest first."""
        with self._guard:
            self._settle()
            self._log.head()
            refs = self._log.refs()
            return [self._version(tid, refs) for tid in reversed(self._log.tids())]

    def version(self, version: int | str | SaveFuture) -> Version:
        """Return what is known of one version."""
        with self._guard:
            return self._version(self._resolve(version), self._log.refs())

    def _version(self, tid: int, refs: Mapping[str, int]) -> Version:
        record = self._record(tid)
        return Version(
            tid,
            record.parent,
            record.time_ns / 1e9,
            record.message,
            record.count,
            record.bytes_written,
            tuple(
                name[len(TAG) :]
                for name, found in sorted(refs.items())
                if found == tid and name.startswith(TAG)
            ),
            tuple(
                name[len(BRANCH) :]
                for name, found in sorted(refs.items())
                if found == tid and name.startswith(BRANCH)
            ),
            tuple(Unsaved(*found) for found in record.unsaved),
            record.source,
            record.failed,
        )

    def names(self, version: int | str | SaveFuture) -> dict[str, int]:
        """Return a version's variables, each with the bytes of all that it leads to."""
        with self._guard, self._log.reading():
            return Contents(self._record(self._resolve(version)), self._log.read).sizes()

    def diff(self, a: int | str, b: int | str) -> Diff:
        """Return which variables were added, removed and changed from version a to b, with their sizes in bytes."""
        with self._guard, self._log.reading():
            first, second = self._resolve(a), self._resolve(b)
            read = self._log.read
            return compare(
                first, second, Contents(self._record(first), read), Contents(self._record(second), read)
            )

    # Tags and branches

    def tag(self, name: str, version: int | str | None = None) -> None:
        """Name a version (the newest) for good; it is kept by every `gc`.

        Raises
        ------
        InvalidArgument
            The name is in use, or cannot be one.
        """
        self._name(TAG, name, version, move=False)

    def untag(self, name: str) -> None:
        """Delete a tag."""
        self._unname(TAG, name)

    def tags(self) -> dict[str, int]:
        """Return the tags and the versions they name."""
        return self._named(TAG)

    def branch(self, name: str, version: int | str | None = None) -> None:
        """Make a branch at a version (the newest), or move it there. Saves of what `checkout(name)` returns move it on."""
        self._name(BRANCH, name, version, move=True)

    def unbranch(self, name: str) -> None:
        """Delete a branch."""
        self._unname(BRANCH, name)

    def branches(self) -> dict[str, int]:
        """Return the branches and the versions they are at."""
        return self._named(BRANCH)

    def _name(self, kind: str, name: str, version: int | str | None, *, move: bool) -> None:
        if (
            not isinstance(name, str)
            or not name
            or name.isdecimal()
            or any(c.isspace() or not c.isprintable() for c in name)
        ):
            raise InvalidArgument(f"{name!r} cannot be a name: it must have letters, and no spaces")
        with self._guard:
            self._settle()
            tid = self._log.head() if version is None else self._resolve(version)
            if tid is None:
                raise NoSuchVersion(f"{self.path}: the store has no version yet")
            refs = self._log.refs()
            other = BRANCH if kind == TAG else TAG
            if other + name in refs or (kind + name in refs and not move):
                raise InvalidArgument(
                    f"{name} is in use: it is version {refs.get(kind + name, refs.get(other + name))}"
                )
            self._log.set_refs({kind + name: tid})

    def _unname(self, kind: str, name: str) -> None:
        with self._guard:
            self._settle()
            if kind + name not in self._log.refs():
                raise NoSuchVersion(f"{self.path}: nothing is called {name}")
            self._log.set_refs({kind + name: None})

    def _named(self, kind: str) -> dict[str, int]:
        with self._guard:
            self._settle()
            self._log.head()
            return {
                name[len(kind) :]: tid
                for name, tid in sorted(self._log.refs().items())
                if name.startswith(kind)
            }
