"""What can go wrong with a dataset.

HarnessError
+-- DatasetError         code "dataset"              it cannot be built; one line says what failed and what to do
    +-- NoPhotosError    code "dataset-no-photos"    the photographs the stand-in is cut from are not installed
    +-- BadSourceError   code "dataset-bad-source"   what DATA names holds no usable images
    +-- NoSpaceError     code "dataset-no-space"     the disk has too little room
    +-- BadScaleError    code "dataset-bad-scale"    the scale is no number in (0, 1], or leaves no file (exit 2)
"""

from __future__ import annotations

from harness.errors import HarnessError


class DatasetError(HarnessError):
    """A dataset cannot be built."""

    code = "dataset"


class NoPhotosError(DatasetError):
    """The photographs the stand-in is cut from are not installed."""

    code = "dataset-no-photos"


class BadSourceError(DatasetError):
    """What DATA names holds no usable images."""

    code = "dataset-bad-source"


class NoSpaceError(DatasetError):
    """The disk has too little room."""

    code = "dataset-no-space"


class BadScaleError(DatasetError):
    """The scale is no number in (0, 1], or leaves no file."""

    code = "dataset-bad-scale"
    exit_code = 2
