"""The stand-in for COCO train2017: every file made from its index and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from blake3 import blake3

from harness.dataset._catalog import file_name
from harness.dataset._dataset import FileDigest, write_atomically
from harness.dataset._image import make_jpeg

_END_OF_IMAGE = b"\xff\xd9"


def write_images(target: Path, seed: int, indices: Sequence[int]) -> list[FileDigest]:
    """Write those of the images `indices` that `target` lacks, and return all their digests."""
    return [_write_image(target, seed, index) for index in indices]


def writer(target: Path, seed: int) -> partial[list[FileDigest]]:
    """Return `write_images` for one folder and seed, fit to be sent to another process."""
    return partial(write_images, target, seed)


def _write_image(target: Path, seed: int, index: int) -> FileDigest:
    path = target / file_name(index)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    # After a power cut a renamed file may still be short; its end shows it.
    if not data.endswith(_END_OF_IMAGE):
        data = make_jpeg(index, seed)
        write_atomically(path, data)
    return FileDigest(path.name, len(data), blake3(data).hexdigest())
