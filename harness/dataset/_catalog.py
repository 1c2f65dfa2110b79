"""What COCO train2017 looks like from outside: how many files, their names, their sizes.

The seeds state 118,287 files, 18.2 GiB and a median of "~152 KiB". A lognormal distribution is fixed by its
median m and mean a through a / m = exp(sigma^2 / 2), so sigma needs no guess: it is 0.345.

Sizes are drawn by quantile along the golden-ratio sequence (a low-discrepancy sequence), not independently:
any prefix of the dataset, hence any scale, then has the distribution's median and mean to within a percent,
and file `i` has the same size at every scale.
"""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random
from statistics import NormalDist

from harness.dataset._errors import BadScaleError

FULL_FILES = 118_287
FULL_BYTES = round(18.2 * 2**30)
MEDIAN_BYTES = 152 * 1024
MEAN_BYTES = FULL_BYTES / FULL_FILES
SIGMA = math.sqrt(2 * math.log(MEAN_BYTES / MEDIAN_BYTES))

_FIRST_ID, _LAST_ID = 9, 581_929
_GOLDEN = (math.sqrt(5) - 1) / 2
_NORMAL = NormalDist()


def parse_scale(text: str | float | Fraction) -> Fraction:
    """Return `1/32`, `0.25` or `1` as an exact fraction.

    Raises
    ------
    BadScaleError
        If it is not a number in (0, 1].
    """
    try:
        scale = Fraction(text) if isinstance(text, str) else Fraction(text).limit_denominator(FULL_FILES)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise BadScaleError(f"SCALE={text} is not a number; give 1/32, 0.25 or 1") from None
    if not 0 < scale <= 1:
        raise BadScaleError(f"SCALE={text} is outside (0, 1]; give 1/32, 0.25 or 1")
    return scale


def file_count(scale: Fraction) -> int:
    """Return the number of files at `scale`.

    Raises
    ------
    BadScaleError
        If that is none.
    """
    count = round(FULL_FILES * scale)
    if count < 1:
        raise BadScaleError(f"SCALE={scale} leaves no file of {FULL_FILES:,}; give a larger scale")
    return count


def file_name(index: int) -> str:
    """Return the name of file `index`: COCO's twelve digits, ascending over the range of COCO's own ids."""
    identifier = _FIRST_ID + index * (_LAST_ID - _FIRST_ID) // (FULL_FILES - 1)
    return f"{identifier:012d}.jpg"


def target_bytes(index: int, seed: int) -> int:
    """Return the size that file `index` is to have."""
    offset = Random(f"sizes:{seed}").random()
    quantile = (offset + (index + 1) * _GOLDEN) % 1.0
    quantile = min(max(quantile, 1e-5), 1 - 1e-5)
    return round(MEDIAN_BYTES * math.exp(SIGMA * _NORMAL.inv_cdf(quantile)))
