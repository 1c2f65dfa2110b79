"""What a workload is: cells in order, the data that they read, and what it has in common with the published one."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from harness.errors import UsageError
from harness.podworkloads._data import Maker, Say, make_once, silent
from harness.podworkloads._spec import Published

__all__ = ["Bytes", "Workload", "scaled"]

_NONE: Final[Mapping[str, int]] = MappingProxyType({})

Bytes = Callable[[float, Mapping[str, int]], tuple[int, int]]
"""By scale and parameters: the bytes of one snapshot, and the most memory that a cell needs."""


def scaled(snapshot_bytes: int, memory_bytes: int) -> Bytes:
    """Return what a workload needs that needs so much at scale 1."""
    return lambda scale, _: (round(scale * snapshot_bytes), round(scale * memory_bytes))


@dataclass(frozen=True, slots=True)
class Workload:
    """A session that is run cell by cell, with a save after each.

    Cells are executed in one namespace, in order, by plain `exec`. They read ``NBDATA`` (the folder of their data) and
    ``SCALE`` (the share of the published size) from the environment.
    """

    name: str
    about: str
    source: Callable[[Mapping[str, int]], list[str]] = field(repr=False)
    """The cells for checked parameters."""
    default_scale: float = 1.0
    parameters: Mapping[str, int] = field(default_factory=lambda: _NONE)
    """The parameters that can be set, with their defaults."""
    most: Mapping[str, int] = field(default_factory=lambda: _NONE)
    """The largest value that a parameter may have, for those that have one."""
    published: Published | None = None
    """What the published workload of that name measures; a test holds this one to it."""
    maker: Maker | None = field(default=None, repr=False)
    """Makes the data; None where cells read none."""
    data: Path | None = None
    """The user's own data, in the place of ours."""
    bytes_needed: Bytes = field(default=scaled(0, 0), repr=False)
    directory: Path | None = None
    """The current folder of the cells, for notebooks that name files beside them; None: any, and they write nothing."""
    excluded: tuple[str, ...] = ()
    """Names that `[exc]` leaves out beside the data's: helpers of a generated session."""
    partial: bool = True
    """Whether a version is loaded by the names that its cell touched; else whole."""

    @property
    def reads_data(self) -> bool:
        """Whether cells read files."""
        return self.data is not None or self.maker is not None

    def checked(self, parameters: Mapping[str, int]) -> dict[str, int]:
        """Return all parameters, the defaults included.

        Raises
        ------
        UsageError
            For a parameter that this workload does not have, or a value that is out of its range.
        """
        for name, value in parameters.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise UsageError(f"{self.name} has no parameter {name}; it has: {known}")
            if value < 0:
                raise UsageError(f"{self.name}[{name}={value}]: give 0 or more")
            if value > (most := self.most.get(name, value)):
                raise UsageError(f"{self.name}[{name}={value}]: give at most {most}")
        return {**self.parameters, **parameters}

    def cells(self, parameters: Mapping[str, int] = _NONE) -> list[str]:
        """Return the sources of the cells, in order."""
        return self.source(self.checked(parameters))

    def on(self, data: Path) -> Workload:
        """Return the same workload on the user's data: a folder that has the published files under their names.

        A workload that reads no files stays as it is.

        Raises
        ------
        UsageError
            When the folder lacks a file that is read, or a table a column.
        """
        if self.maker is None:
            return self
        for name, columns in self.maker.read.items():
            path = data / name
            if not path.is_file():
                raise UsageError(f"{data} lacks {name}, which {self.name} reads")
            if missing := set(columns) - _header(path, columns):
                raise UsageError(
                    f"{path} lacks the columns {', '.join(sorted(missing))}, which {self.name} reads"
                )
        return replace(self, data=data.resolve(), default_scale=1.0)

    def prepare(self, folder: Path, scale: float, say: Say = silent) -> None:
        """Make the data under a folder, once: done again it does nothing.

        Parameters
        ----------
        folder
            Where data of all workloads and scales are kept.
        scale
            Share of the published size.
        say
            Told what is being made.
        """
        if self.maker is not None and self.data is None:
            make_once(self.maker, self.data_folder(folder, scale), scale, say)

    def data_folder(self, folder: Path, scale: float) -> Path:
        """Return where the data are or will be; an empty path where cells read none."""
        if self.data is not None:
            return self.data
        if self.maker is None:
            return Path()
        return folder / f"{self.maker.name}-{self.maker.version}-{scale:g}"

    def needs(self, scale: float, parameters: Mapping[str, int] = _NONE) -> tuple[int, int]:
        """Return the bytes of disk and of memory that a run of a system that saves everything each time needs."""
        snapshot, memory = self.bytes_needed(scale, self.checked(parameters))
        made = round(scale * self.maker.bytes_at_full_scale) if self.maker and self.data is None else 0
        return snapshot * len(self.cells(parameters)) + made, memory + _LIBRARIES_BYTES

    def environment(self, folder: Path, scale: float) -> dict[str, str]:
        """Return what cells read from the environment, and what keeps their libraries reproducible."""
        return {
            "NBDATA": os.fspath(self.data_folder(folder, scale)) if self.reads_data else "",
            "SCALE": f"{scale:g}",
            "PYTHONHASHSEED": "0",
            "MPLBACKEND": "Agg",
            **dict.fromkeys(_THREADS, "1"),
        }

    def all_excluded(self, data_names: Sequence[str]) -> tuple[str, ...]:
        """Return what `[exc]` leaves out: what holds the data, and the helpers."""
        return tuple(sorted({*data_names, *self.excluded}))


def _header(path: Path, columns: Sequence[str]) -> set[str]:
    """Return the columns of a table; of what has none, nothing."""
    if not columns:
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        return set(next(csv.reader(file), []))


_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_LIBRARIES_BYTES: Final = 400 << 20
