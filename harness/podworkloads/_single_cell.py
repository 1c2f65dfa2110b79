"""Synthetic single-cell measurements in the published files' layout: which cells there are, and HDF5 matrices of them.

``metadata.csv`` has 281,528 rows x scale. Each ``.h5`` is what pandas writes of one frame in its fixed format: in a group
named as the file, ``axis0`` (columns), ``axis1`` (cell ids), ``block0_items``, ``block0_values`` (float32, rows x columns).
Rows scale; columns do not, but the multiome matrices have a hundredth of the columns that the real ones have. Matrices
are made and written in blocks of rows.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.podworkloads._data import Maker, Say

__all__ = ["COLUMNS", "FOLDER", "SINGLE_CELL", "Matrix", "matrices", "rows_at"]

FOLDER: Final = "open-problems-multimodal"
METADATA: Final = f"{FOLDER}/metadata.csv"
COLUMNS: Final = ("cell_id", "day", "donor", "cell_type", "technology")
_SEED: Final = 2022
_BLOCK_ROWS: Final = 512
_ID_STEP: Final = 0x5DEECE66D1B5  # odd: distinct numbers stay distinct modulo 2**48
_COUNTS: Final = {"train_cite": 70_988, "test_cite": 48_663, "train_multi": 105_942, "test_multi": 55_935}
_DAYS: Final = (2, 3, 4, 7, 10)
_DONORS: Final = (13_176, 27_678, 31_800, 32_606)
_TYPES: Final = ("HSC", "EryP", "NeuP", "MasP", "MkP", "BP", "MoP")


@dataclass(frozen=True, slots=True)
class Matrix:
    """One file: which cells it has, what its columns are, how much of it is no zero."""

    name: str
    cells: str
    column: str
    columns: int
    density: float
    read: bool = True
    """Whether the workload reads it; the published data have it anyway."""


matrices: Final = (
    Matrix("train_cite_inputs", "train_cite", "ENSG", 22_050, 0.22),
    Matrix("test_cite_inputs", "test_cite", "ENSG", 22_050, 0.22),
    Matrix("train_cite_targets", "train_cite", "CD", 140, 1.0),
    Matrix("train_multi_inputs", "train_multi", "chr", 2_289, 0.03),
    Matrix("test_multi_inputs", "test_multi", "chr", 2_289, 0.03, read=False),
    Matrix("train_multi_targets", "train_multi", "ENSG", 234, 0.2),
)


def rows_at(cells: str, scale: float) -> int:
    """Return how many cells of one part there are."""
    return max(20, round(_COUNTS[cells] * scale))


def _ids(cells: str, scale: float) -> list[str]:
    """Return cell ids, twelve hexadecimal digits, distinct in all parts."""
    part = list(_COUNTS).index(cells)
    return [f"{(part << 40 | row) * _ID_STEP % 2**48:012x}" for row in range(rows_at(cells, scale))]


def _write(folder: Path, scale: float, say: Say) -> None:
    place = folder / FOLDER
    place.mkdir(parents=True)
    _write_metadata(folder / METADATA, scale)
    for number, matrix in enumerate(matrices):
        say(f"single-cell data: {matrix.name}.h5")
        _write_matrix(place / f"{matrix.name}.h5", matrix, scale, number)


def _write_metadata(path: Path, scale: float) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, cells in enumerate(_COUNTS):
            rng = np.random.default_rng([_SEED, 100, number])
            ids = _ids(cells, scale)
            days = rng.choice(_DAYS, len(ids)).tolist()
            donors = rng.choice(_DONORS, len(ids)).tolist()
            kinds = [_TYPES[kind] for kind in rng.integers(0, len(_TYPES), len(ids)).tolist()]
            technology = ["citeseq" if "cite" in cells else "multiome"] * len(ids)
            writer.writerows(zip(ids, days, donors, kinds, technology, strict=True))


def _write_matrix(path: Path, matrix: Matrix, scale: float, number: int) -> None:
    import h5py

    rows = rows_at(matrix.cells, scale)
    names = np.array([f"{matrix.column}{column:07d}".encode() for column in range(matrix.columns)])
    with h5py.File(path, "w", track_order=True) as file:
        group = file.create_group(matrix.name)
        group["axis0"] = names
        group["axis1"] = np.array([each.encode() for each in _ids(matrix.cells, scale)])
        group["block0_items"] = names
        values = group.create_dataset(
            "block0_values",
            (rows, matrix.columns),
            "float32",
            chunks=(min(rows, 64), matrix.columns),
            compression="lzf",
            shuffle=True,
        )
        for first in range(0, rows, _BLOCK_ROWS):
            count = min(_BLOCK_ROWS, rows - first)
            values[first : first + count] = _block(
                matrix, np.random.default_rng([_SEED, number, first]), count
            )


def _block(matrix: Matrix, rng: np.random.Generator, rows: int) -> Any:
    """Return positive values where something was measured; some columns are measured more often than others."""
    spread = np.random.default_rng([_SEED, 200, matrix.columns]).uniform(0.2, 1.8, matrix.columns)
    drawn = rng.random((rows, matrix.columns), dtype=np.float32)
    share = np.minimum(matrix.density * spread, 1).astype(np.float32) if matrix.density < 1 else np.float32(1)
    # The draws below the share are uniform themselves: they give the values, too.
    return np.where(drawn < share, np.float32(2) + np.float32(6) * drawn / share, np.float32(0))


SINGLE_CELL: Final = Maker(
    "single-cell",
    1,
    (METADATA, *[f"{FOLDER}/{matrix.name}.h5" for matrix in matrices]),
    {METADATA: COLUMNS, **{f"{FOLDER}/{matrix.name}.h5": () for matrix in matrices if matrix.read}},
    _write,
    bytes_at_full_scale=5_700_000_000,
)
