"""CRIU: images of the process that runs the cells; `crii` keeps only the pages that changed since the image before.

The cells run in a session of their own (`_session`), as a notebook's cells run in its kernel, and a save takes that
process's image and leaves it running. A load restores the image in a PID namespace of its own, where its number is free, and
asks it for the variables. What a process holds is in its image, so nothing is unsaved; what is asked for comes through dill.

The published system started another process at each save, gave it the variables through dill, and took that one's image; so
does `fidelity="paper"`, and so must a save that leaves variables out. What dill refuses is unsaved then, and there is nothing
for `crii` to share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, Final

from harness.errors import HarnessError
from harness.systems.pod._base import Synchronous, bytes_below
from harness.systems.pod._protocol import Registration, Version, VersionSystem
from harness.systems.pod._refused import LeavingOut
from harness.systems.pod.criu._client import Session, restored
from harness.systems.pod.criu._program import how_to_get, version, why_no_tracking

__all__ = ["SYSTEMS", "Criu"]


class Criu(Synchronous):
    """Images in ``images/N``; the version says for which request the image waits: ``N:REQUEST``."""

    def __init__(
        self, name: str, folder: Path, *, incremental: bool, transfers: bool, existing: bool
    ) -> None:
        # Now, for saves and loads are timed; and before a session is `__main__`: dill keeps for ever what it finds there.
        import dill  # noqa: F401

        super().__init__(name, folder.absolute())
        self._images = self._folder / "images"
        self._images.mkdir(exist_ok=True)
        self._sessions = self._folder / "sessions"
        self._leaving_out = LeavingOut(self._given)
        self._incremental = incremental
        self._transfers = transfers
        self._count = 0
        self._last: Path | None = None
        self._session = None if existing else Session(self._sessions / "live")

    def seed(self, number: int) -> None:
        self._live.ask({"seed": number})

    def run(self, _code: CodeType, source: str, _namespace: dict[str, Any]) -> None:
        """Run a cell in the session.

        Raises
        ------
        HarnessError
            The cell raised something; the message is the session's traceback.
        """
        self._live.ask({"source": source})

    @property
    def _live(self) -> Session:
        if self._session is None:
            raise RuntimeError("a store that another process has left is only read")
        return self._session

    def save(self, _namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        self._count += 1
        images = self._images / str(self._count)
        if self._transfers or exclude:
            return f"{self._count}:{self._transferred(images, set(exclude))}"
        waits_for = self._live.image(images, self._last, tracks=self._incremental)
        if self._incremental:
            self._last = images
        return f"{self._count}:{waits_for}"

    def _transferred(self, images: Path, exclude: set[str]) -> int:
        """Take the image of another process that was given the variables."""
        held = self._live.ask({"which": None})["names"]
        given: list[bytes] = []
        self._unsaved = self._leaving_out.save(
            dict.fromkeys(name for name in held if name not in exclude),
            lambda some: given.append(self._given(some, exclude)),
        )
        session = Session(self._sessions / str(self._count))
        try:
            session.ask({"variables": given[-1]})
            return session.image(images)
        finally:
            session.end()

    def _given(self, some: Collection[str], exclude: Collection[str] = ()) -> bytes:
        """Return variables of the session, as it gives them."""
        try:
            found: bytes = self._live.ask({"names": list(some), "without": sorted(exclude)})["given"]
        except HarnessError as error:
            raise HarnessError(str(error).splitlines()[-1]) from error  # of a traceback
        return found

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        count, waits_for = str(version).split(":")
        own = self._sessions / count
        images = self._images / count
        folder = own if own.exists() else self._sessions / "live"
        return restored(images, folder, int(waits_for), None if names is None else list(names))

    def size(self) -> int:
        return bytes_below(self._images)

    def close(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None


def _registered(name: str, *, incremental: bool) -> Registration:
    def open_on(folder: Path, fidelity: str, existing: bool) -> VersionSystem:
        return Criu(name, folder, incremental=incremental, transfers=fidelity == "paper", existing=existing)

    def options(fidelity: str) -> dict[str, object]:
        return {"mode": "sync", "incremental": incremental, "transfers": fidelity == "paper"}

    def refuses(_workload: str) -> str | None:
        return why_no_tracking() if incremental else None

    return Registration(name, open_on, options, how_to_get, version, refuses)


SYSTEMS: Final = (_registered("criu", incremental=False), _registered("crii", incremental=True))
