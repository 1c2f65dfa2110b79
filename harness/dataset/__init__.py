"""Datasets the benchmarks read: a stand-in for COCO train2017, or the real one.

>>> from pathlib import Path
>>> coco("1/118287", Path(".cache/datasets"), progress=False).files  # doctest: +SKIP
1
"""

from __future__ import annotations

from harness.dataset._build import DEFAULT_SEED, coco, coco_name
from harness.dataset._catalog import FULL_BYTES, FULL_FILES, file_count, parse_scale
from harness.dataset._dataset import Dataset, file_digests
from harness.dataset._errors import (
    BadScaleError,
    BadSourceError,
    DatasetError,
    NoPhotosError,
    NoSpaceError,
)

__all__ = [
    "DEFAULT_SEED",
    "FULL_BYTES",
    "FULL_FILES",
    "BadScaleError",
    "BadSourceError",
    "Dataset",
    "DatasetError",
    "NoPhotosError",
    "NoSpaceError",
    "coco",
    "coco_name",
    "file_count",
    "file_digests",
    "parse_scale",
]
