"""The real COCO train2017, from `train2017.zip` or from a folder of its images, whole or an even subset."""

from __future__ import annotations

import itertools
import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path, PurePosixPath
from random import Random

from blake3 import blake3

from harness.dataset._dataset import FileDigest, write_atomically
from harness.dataset._errors import BadScaleError, BadSourceError

_SUFFIXES = (".jpg", ".jpeg")
_HASH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image of the source: its name in the dataset, its size, and where it is (zip member or path)."""

    name: str
    size: int
    where: str


def list_images(data: Path) -> list[SourceImage]:
    """Return the images in a zip file or below a folder, sorted by name.

    Raises
    ------
    BadSourceError
        If there is no such file, it is no zip, holds no JPEG, or holds two of one name.
    """
    if not data.exists():
        raise BadSourceError(
            f"DATA={data} does not exist; give COCO's train2017.zip or a folder of its images"
        )
    images = _list_folder(data) if data.is_dir() else _list_zip(data)
    if not images:
        raise BadSourceError(
            f"DATA={data} holds no .jpg file; give COCO's train2017.zip or a folder of its images"
        )
    images.sort(key=lambda image: image.name)
    for first, second in itertools.pairwise(images):
        if first.name == second.name:
            raise BadSourceError(f"DATA={data} holds two files named {first.name}; give one folder of images")
    return images


def even_subset(images: Sequence[SourceImage], scale: Fraction, seed: int) -> list[SourceImage]:
    """Return one image of each of `len(images) * scale` equal stretches of the sorted list, seeded.

    Raises
    ------
    BadScaleError
        If the scale leaves no image.
    """
    count = round(len(images) * scale)
    if count < 1:
        raise BadScaleError(f"SCALE={scale} leaves no file of {len(images):,}; give a larger scale")
    random = Random(f"subset:{seed}")
    bounds = [index * len(images) // count for index in range(count + 1)]
    return [images[random.randrange(low, high)] for low, high in itertools.pairwise(bounds)]


def importer(data: Path, target: Path) -> partial[list[FileDigest]]:
    """Return `import_images` for one source and folder, fit to be sent to another process."""
    return partial(import_images, data, target)


def import_images(data: Path, target: Path, images: Sequence[SourceImage]) -> list[FileDigest]:
    """Extract, link or copy `images` into `target` as needed, and return their digests."""
    if data.is_dir():
        return [_link_image(data, target, image) for image in images]
    with zipfile.ZipFile(data) as archive:
        return [_extract_image(archive, target, image) for image in images]


def _list_folder(folder: Path) -> list[SourceImage]:
    return [
        SourceImage(path.name, path.stat().st_size, str(path.relative_to(folder)))
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES and path.is_file()
    ]


def _list_zip(data: Path) -> list[SourceImage]:
    try:
        with zipfile.ZipFile(data) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise BadSourceError(f"DATA={data} cannot be read as a zip file: {error}") from None
    return [
        SourceImage(PurePosixPath(member.filename).name, member.file_size, member.filename)
        for member in members
        if PurePosixPath(member.filename).suffix.lower() in _SUFFIXES
    ]


def _extract_image(archive: zipfile.ZipFile, target: Path, image: SourceImage) -> FileDigest:
    path = target / image.name
    if not path.exists() or path.stat().st_size != image.size:
        try:
            write_atomically(path, archive.read(image.where))
        except (zipfile.BadZipFile, EOFError) as error:
            raise BadSourceError(f"{image.where} in the zip file is damaged: {error}") from None
    return _digest(path)


def _link_image(data: Path, target: Path, image: SourceImage) -> FileDigest:
    path = target / image.name
    if not path.exists():
        source = data / image.where
        try:
            path.hardlink_to(source.resolve())
        except OSError:
            temporary = path.with_name(f".{path.name}.tmp")
            shutil.copyfile(source, temporary)
            temporary.replace(path)
    return _digest(path)


def _digest(path: Path) -> FileDigest:
    hasher = blake3()
    with path.open("rb") as file:
        while block := file.read(_HASH_BYTES):
            hasher.update(block)
        size = os.fstat(file.fileno()).st_size
    return FileDigest(path.name, size, hasher.hexdigest())
