"""One small dataset, built once and read by many tests."""

from __future__ import annotations

from fractions import Fraction

import pytest

from harness.dataset import FULL_FILES, Dataset, coco

FILES = 150


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return coco(Fraction(FILES, FULL_FILES), tmp_path_factory.mktemp("datasets"), progress=False)
