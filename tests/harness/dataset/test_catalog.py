"""What the stand-in looks like from outside."""

from __future__ import annotations

from fractions import Fraction
from statistics import mean, median

import pytest

from harness.dataset import FULL_BYTES, FULL_FILES, BadScaleError, file_count, parse_scale
from harness.dataset._catalog import MEAN_BYTES, MEDIAN_BYTES, file_name, target_bytes


@pytest.mark.parametrize(
    ("scale", "files"), [("1", 118_287), ("1/16", 7_393), ("1/32", 3_696), ("1/256", 462), ("0.001", 118)]
)
def test_number_of_files_follows_the_scale(scale: str, files: int) -> None:
    assert file_count(parse_scale(scale)) == files


@pytest.mark.parametrize(
    ("text", "scale"), [("1/32", Fraction(1, 32)), ("0.25", Fraction(1, 4)), (0.5, Fraction(1, 2))]
)
def test_scale_is_a_fraction(text: str | float, scale: Fraction) -> None:
    assert parse_scale(text) == scale


@pytest.mark.parametrize(
    "text", ["", "big", "0", "-1/2", "2", "1/0", "nan", "inf", float("nan"), float("inf")]
)
def test_a_scale_that_cannot_be_is_refused_as_bad_usage(text: str | float) -> None:
    with pytest.raises(BadScaleError) as refusal:
        parse_scale(text)
    assert refusal.value.exit_code == 2


def test_a_scale_that_leaves_no_file_is_refused() -> None:
    with pytest.raises(BadScaleError):
        file_count(Fraction(1, 1_000_000))


def test_names_are_coco_s_ascending_and_unique() -> None:
    names = [file_name(index) for index in range(FULL_FILES)]
    assert names[0] == "000000000009.jpg"
    assert names[-1] == "000000581929.jpg"
    assert names == sorted(set(names))


def test_full_size_has_the_stated_bytes_and_median() -> None:
    sizes = [target_bytes(index, 42) for index in range(FULL_FILES)]
    assert sum(sizes) == pytest.approx(FULL_BYTES, rel=0.001)
    assert median(sizes) == pytest.approx(MEDIAN_BYTES, rel=0.001)


@pytest.mark.parametrize("files", [118, 462, 3_696])
@pytest.mark.parametrize("seed", [0, 42])
def test_any_scale_has_the_same_median_and_mean(files: int, seed: int) -> None:
    sizes = [target_bytes(index, seed) for index in range(files)]
    assert median(sizes) == pytest.approx(MEDIAN_BYTES, rel=0.02)
    assert mean(sizes) == pytest.approx(MEAN_BYTES, rel=0.02)
