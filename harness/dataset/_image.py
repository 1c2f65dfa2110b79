"""Make one photograph-like JPEG of a given size, from nothing but a seed and an index.

A picture is a random crop of a photograph, scaled, turned by a few degrees, perhaps mirrored, recoloured, and given
sensor grain; then quantised so that the file has the size drawn for it. Grain grows with that size (large
COCO files are detailed pictures, not small ones saved at quality 100), which keeps the quantiser near the quality
COCO's own files have, and with it the cost of decoding. Nothing is padded: a comment of some 50 bytes says what the
file is and makes its bytes unique.

Everything works on YCbCr planes, which JPEG stores, so no colour is converted twice.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
from blake3 import blake3
from PIL import Image, ImageChops, features
from PIL import __version__ as pillow_version

from harness.dataset._catalog import MEDIAN_BYTES, target_bytes
from harness.dataset._errors import NoPhotosError

RECIPE = 1
"""Raised whenever the bytes of a file would change."""

_PHOTOS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
)
_SHAPES = ((640, 480), (640, 480), (640, 480), (640, 427), (480, 640), (640, 428), (640, 480), (427, 640))
_GRAIN_LEVELS = 9.0
_GRAIN_TILE = 1024
_GRAIN_TILE_LEVELS = 32.0
_SIZE_TOLERANCE = 0.01
_MAX_ENCODES = 7

# ITU-T T.81, annex K.1: the luminance and chrominance tables every encoder scales.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    *(17, 18, 24, 47, 99, 99, 99, 99),
    *(18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)


@dataclass(frozen=True, slots=True)
class _Photo:
    name: str
    planes: Image.Image


def photo_folder() -> Path:
    """Return the folder of photographs that scikit-image's wheel ships.

    Raises
    ------
    NoPhotosError
        If scikit-image is not installed.
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise NoPhotosError("scikit-image is not installed, and its photographs are needed; run `make setup`")
    return Path(spec.origin).parent / "data"


@cache
def recipe_digest() -> str:
    """Return a digest of all that decides a file's bytes: this recipe, the encoder and the photographs."""
    encoder = f"pillow {pillow_version}, libjpeg-turbo {features.version('libjpeg_turbo')}"
    digest = blake3(f"coco-standin {RECIPE}, {encoder}\n".encode())
    folder = photo_folder()
    for name in _PHOTOS:
        digest.update(name.encode() + blake3(_photo_bytes(folder / name)).digest())
    return digest.hexdigest()


def make_jpeg(index: int, seed: int) -> bytes:
    """Return the bytes of file `index`: the same for the same index, seed and recipe, in any process."""
    random = Random(f"coco:{seed}:{index}")
    wanted_bytes = target_bytes(index, seed)
    grain = min(max(_GRAIN_LEVELS * wanted_bytes / MEDIAN_BYTES, 3.0), 64.0)
    picture = _picture(random, grain)
    return _encode(picture, wanted_bytes, f"COCO train2017 stand-in, seed {seed}, file {index}")


def _photo_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoPhotosError(
            f"cannot read the photograph {path.name} of scikit-image ({error.strerror})"
        ) from None


@cache
def _photos() -> tuple[_Photo, ...]:
    folder = photo_folder()
    photos = []
    for name in _PHOTOS:
        with Image.open(io.BytesIO(_photo_bytes(folder / name))) as image:
            photos.append(_Photo(name, image.convert("RGB").convert("YCbCr")))
    return tuple(photos)


@cache
def _grain_tile() -> Image.Image:
    noise = np.random.default_rng(20170901).standard_normal((_GRAIN_TILE, _GRAIN_TILE))
    levels = np.clip(np.rint(128 + _GRAIN_TILE_LEVELS * noise), 0, 255).astype(np.uint8)
    return Image.fromarray(levels)


def _picture(random: Random, grain: float) -> Image.Image:
    photo = random.choice(_photos()).planes
    width, height = random.choice(_SHAPES)
    angle = math.radians(random.uniform(-6, 6))
    cos, sin = math.cos(angle), math.sin(angle)
    # The turned rectangle's bounding box must fit into the photograph: no empty corner is ever seen.
    box_width = width * cos + height * abs(sin)
    box_height = width * abs(sin) + height * cos
    zoom = random.uniform(0.55, 1.0) * min((photo.width - 1) / box_width, (photo.height - 1) / box_height)
    centre_x = random.uniform(zoom * box_width / 2, photo.width - zoom * box_width / 2)
    centre_y = random.uniform(zoom * box_height / 2, photo.height - zoom * box_height / 2)
    mirror = random.choice((1, -1))
    a, b = zoom * cos * mirror, -zoom * sin
    d, e = zoom * sin * mirror, zoom * cos
    affine = (
        *(a, b, centre_x - a * width / 2 - b * height / 2),
        *(d, e, centre_y - d * width / 2 - e * height / 2),
    )
    turned = photo.transform((width, height), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    luma, blue, red = turned.split()
    luma = luma.point(_levels(random.uniform(0.8, 1.15), random.uniform(-18, 18)))
    left, top = random.randrange(_GRAIN_TILE - width), random.randrange(_GRAIN_TILE - height)
    tile = _grain_tile().crop((left, top, left + width, top + height))
    luma = ImageChops.add(luma, tile.point(_levels(grain / _GRAIN_TILE_LEVELS, 0)), 1, -128)
    blue = blue.point(_levels(random.uniform(0.6, 1.4), random.uniform(-10, 10)))
    red = red.point(_levels(random.uniform(0.6, 1.4), random.uniform(-10, 10)))
    return Image.merge("YCbCr", (luma, blue, red))


def _levels(gain: float, shift: float) -> list[int]:
    return [min(max(round(128 + (level - 128) * gain + shift), 0), 255) for level in range(256)]


def _encode(picture: Image.Image, wanted_bytes: int, comment: str) -> bytes:
    """Return the JPEG whose size comes nearest: a secant search on log size over log quantiser scale."""
    goal = math.log(wanted_bytes)
    at, slope = math.log(0.2), -0.5
    best, best_miss = b"", math.inf
    previous: tuple[float, float] | None = None
    for _ in range(_MAX_ENCODES):
        encoded = _encode_at(picture, math.exp(at), comment)
        size = math.log(len(encoded))
        miss = size - goal
        if abs(miss) < best_miss:
            best, best_miss = encoded, abs(miss)
        if abs(miss) < _SIZE_TOLERANCE:
            break
        if previous is not None and abs(at - previous[0]) > 1e-6:
            slope = min(max((size - previous[1]) / (at - previous[0]), -2.0), -0.15)
        previous = (at, size)
        at = min(max(at - miss / slope, math.log(0.01)), math.log(8.0))
    return best


def _encode_at(picture: Image.Image, scale: float, comment: str) -> bytes:
    tables = [
        [min(max(round(step * scale), 1), 255) for step in table] for table in (_LUMINANCE, _CHROMINANCE)
    ]
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", qtables=tables, subsampling="4:2:0", comment=comment)
    return encoded.getvalue()
