"""A finished dataset on disk: its folder, its digest, and the marker that says it is complete.

    CACHE/<name>/train2017/000000000009.jpg ...    the image folder, images only
    CACHE/<name>.json                              the marker
    CACHE/<name>.files                             "NAME SIZE BLAKE3" a line, sorted by name
    CACHE/<name>.partial/                          a build under way, resumed by the next

The dataset's digest is the BLAKE3 of the `.files` bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from blake3 import blake3

CLASS_FOLDER = "train2017"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A complete dataset.

    Attributes
    ----------
    name
        Names the files' origin, number and seed; two datasets of one name and digest are equal.
    folder
        Root in torchvision's `ImageFolder` sense: `folder/train2017/000000000009.jpg`.
    files, bytes
        How many images there are, and their sizes' sum.
    digest
        BLAKE3 (hex) over the sorted lines `NAME SIZE BLAKE3`.
    scale
        Fraction of COCO train2017's 118,287 files.
    seed
        What the files, or the subset of the real ones, were drawn with.
    """

    name: str
    folder: Path
    files: int
    bytes: int
    digest: str
    scale: float
    seed: int


@dataclass(frozen=True, slots=True, order=True)
class FileDigest:
    """One image's name, size in bytes and BLAKE3 (hex)."""

    name: str
    size: int
    blake3: str


def file_digests(dataset: Dataset) -> dict[str, str]:
    """Return the BLAKE3 (hex) of each image by its file name, as recorded when the dataset was built."""
    return {entry.name: entry.blake3 for entry in _read_entries(_files_path(dataset.folder))}


def load(folder: Path) -> Dataset | None:
    """Return the dataset at `folder` if it is there in full, by marker, number of files and sizes."""
    marker = _marker_path(folder)
    try:
        fields = json.loads(marker.read_text())
        dataset = Dataset(folder=folder, **fields)
        recorded = {entry.name: entry.size for entry in _read_entries(_files_path(folder))}
        with os.scandir(folder / CLASS_FOLDER) as found:
            present = {entry.name: entry.stat().st_size for entry in found}
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return dataset if present == recorded and len(present) == dataset.files else None


def partial_folder(folder: Path) -> Path:
    """Return where the dataset at `folder` is built."""
    return folder.with_name(folder.name + ".partial")


def finish(folder: Path, entries: Iterable[FileDigest], *, scale: float, seed: int) -> Dataset:
    """Write the list of files and the marker, then move the partial folder into place: that completes it."""
    ordered = sorted(entries)
    lines = "".join(f"{entry.name} {entry.size} {entry.blake3}\n" for entry in ordered).encode()
    dataset = Dataset(
        name=folder.name,
        folder=folder,
        files=len(ordered),
        bytes=sum(entry.size for entry in ordered),
        digest=blake3(lines).hexdigest(),
        scale=scale,
        seed=seed,
    )
    write_atomically(_files_path(folder), lines)
    fields = {key: value for key, value in asdict(dataset).items() if key != "folder"}
    write_atomically(_marker_path(folder), (json.dumps(fields, indent=2) + "\n").encode())
    partial_folder(folder).rename(folder)
    return dataset


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then rename it: a file that is there is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _marker_path(folder: Path) -> Path:
    return folder.with_name(folder.name + ".json")


def _files_path(folder: Path) -> Path:
    return folder.with_name(folder.name + ".files")


def _read_entries(path: Path) -> list[FileDigest]:
    entries = []
    for line in path.read_text().splitlines():
        name, size, digest = line.split(" ")
        entries.append(FileDigest(name, int(size), digest))
    return entries
