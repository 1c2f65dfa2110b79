"""The rows of configurations.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any, Final

__all__ = ["DEFERRED", "OPTIONS", "Configuration", "configurations"]

DEFERRED: Final = "thread-deferred"
_LIKE: Final = "like"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One row; the defaults are those of `pod.open`."""

    about: str
    mode: str
    podding: str = "default"
    tracking: str = "names"
    ascc: bool = False
    lock: str = "variable"
    codec: str = "none"
    thesaurus_bytes: int | None = None
    chunk_dedup: bool = True
    backend: str = "files"
    saves: bool = True

    @property
    def is_synchronous(self) -> bool:
        """Whether a save is done when its call returns."""
        return self.mode == "sync"

    def options(self, fidelity: str) -> dict[str, Any]:
        """Return what `pod.open` is given: what differs from its defaults, but for a mode that nothing asks for."""
        given = {name: getattr(self, name) for name in OPTIONS if getattr(self, name) != _DEFAULTS[name]}
        if not self.is_synchronous:
            given["mode"] = self.mode
        if fidelity != "fixed":
            given["fidelity"] = fidelity
        return given

    def recorded(self, fidelity: str) -> dict[str, object]:
        """Return what a result says of it."""
        mode = DEFERRED if fidelity == "paper" and self.mode == "thread" else self.mode
        found: dict[str, object] = {"mode": mode, "backend": self.backend, "fidelity": fidelity}
        found.update((name, getattr(self, name)) for name in OPTIONS)
        if mode != DEFERRED or not self.saves:
            found["lock"] = "no effect"
        if self.thesaurus_bytes is None:
            found["thesaurus_bytes"] = "whole store"
        if not self.saves:
            found["saves"] = "nothing"
        return found


OPTIONS: Final = ("podding", "tracking", "ascc", "lock", "codec", "thesaurus_bytes", "chunk_dedup")
_DEFAULTS: Final = {field.name: field.default for field in fields(Configuration)}


def configurations() -> dict[str, Configuration]:
    """Return all rows by name, in the order of the file."""
    with files(__package__ or "").joinpath("configurations.toml").open("rb") as file:
        rows = tomllib.load(file)
    return {name: Configuration(**_complete(rows, name)) for name in rows}


def _complete(rows: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    row = dict(rows[name])
    like = row.pop(_LIKE, None)
    return {**_complete(rows, like), **row} if like else row
