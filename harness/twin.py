"""The untimed twin: every file is read through a fresh mount and its BLAKE3 digest compared with the original's."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from harness.loader import epoch_order, list_images
from harness.spec import TrialSpec

__all__ = ["Verdict", "verify_through"]

_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many files were compared, and how many differed, were missing, or should not be there."""

    checked: int
    wrong: int
    examples: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all bytes of all files were right."""
        return self.checked > 0 and self.wrong == 0

    def as_json(self) -> dict[str, object]:
        """Return the form that results hold."""
        return {"ok": self.ok, "checked": self.checked, "wrong": self.wrong, "examples": list(self.examples)}


def _digest(path: Path) -> str:
    try:
        return str(blake3(path.read_bytes()).hexdigest())
    except OSError as error:
        return f"unreadable: {error.strerror}"


def verify_through(mounted: Path, digests: Mapping[str, str], spec: TrialSpec) -> Verdict:
    """Read all files in the trial's own order with as many readers as it has workers, and compare.

    `digests` has the BLAKE3 of each image by its file name, as recorded when the dataset was built.
    """
    paths = list_images(mounted)
    order = epoch_order(len(paths), access=spec.case.access, seed=spec.seed, trial_round=spec.round, epoch=0)

    def right(index: int) -> bool:
        return _digest(paths[index]) == digests.get(paths[index].name)

    with ThreadPoolExecutor(spec.case.workers) as readers:
        answers = list(readers.map(right, order))
    wrong = [paths[index].name for index, answer in zip(order, answers, strict=True) if not answer]
    wrong += sorted(digests.keys() - {path.name for path in paths})
    return Verdict(len(paths), len(wrong), tuple(wrong[:_NAMED]))
