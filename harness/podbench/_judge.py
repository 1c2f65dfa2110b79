"""What a loaded version must be: the oracle's portrait of it against that of the reference run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.oracle import differences, portray
from harness.podworkloads import Reference

__all__ = ["ReferenceJudge", "Wrong"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """Which variables came back wrong, and the first difference in words."""

    names: tuple[str, ...]
    text: str


class ReferenceJudge:
    """Judges loads by a reference run.

    Parameters
    ----------
    reference
        The run.
    partial
        Whether a version is loaded by the names that its cell touched; else whole.
    code
        Whether functions and classes of the session are compared by value, for a system that keeps them so.
    exclude
        Whether the data variables were left out of the saves.
    """

    def __init__(self, reference: Reference, *, partial: bool, code: bool, exclude: bool) -> None:
        self._reference = reference
        self._partial = partial
        self._code = code
        self._exclude = frozenset(reference.excluded if exclude else ())
        self._which = f"{'partial' if partial else 'all'}{'[exc]' if exclude else ''}"

    def wanted(self, version: int) -> Sequence[str]:
        """Return the names that are loaded of a version; none where there is nothing to load."""
        cell = self._reference.cells[version]
        names = cell.touched if self._partial else cell.exists
        return [name for name in names if name not in self._exclude]

    def size(self, version: int) -> int:
        """Return about how many bytes these are: each variable's pickle alone."""
        sizes = self._reference.cells[version].sizes
        return sum(max(0, sizes.get(name, 0)) for name in self.wanted(version))

    def judged(self, version: int, unsaved: Collection[str]) -> bool:
        """Say whether anything of a version is left to be compared."""
        return bool(self._names(version, unsaved))

    def wrong(self, version: int, loaded: Mapping[str, Any], unsaved: Collection[str]) -> Wrong | None:
        """Return what came back wrong. What was said to be unsaved may be missing; if it is there it is compared."""
        excused = frozenset(name for name in unsaved if name not in loaded)
        names = self._names(version, excused)
        missing = tuple(name for name in names if name not in loaded)
        if missing:
            return Wrong(missing, f"missing: {', '.join(missing)}")
        without = excused & frozenset(self._reference.names(version, self._which))
        expected = self._reference.digest(version, self._which, code=self._code, without=without)
        got = portray(loaded, names, code=self._code)
        if got.digest(names) == expected:
            return None
        portrait = self._reference.portrait(version, code=self._code)
        alone = [name for name in names if got.digest([name]) != portrait.digest([name])]
        said = differences(portrait, got, names)
        return Wrong(tuple(alone or names), said[0] if said else "what they share differs")

    def _names(self, version: int, unsaved: Collection[str]) -> list[str]:
        return [name for name in self._reference.names(version, self._which) if name not in unsaved]
