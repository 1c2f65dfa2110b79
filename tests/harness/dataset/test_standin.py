"""The stand-in's files: real photographs' JPEGs, sized and seeded."""

from __future__ import annotations

import shutil
from collections import Counter
from fractions import Fraction
from pathlib import Path
from statistics import mean, median

import pytest
from blake3 import blake3
from PIL import Image

from harness.dataset import FULL_FILES, Dataset, coco, file_digests
from harness.dataset._catalog import MEAN_BYTES, MEDIAN_BYTES, target_bytes
from harness.dataset._image import make_jpeg

FILES = 150


def images(dataset: Dataset) -> list[Path]:
    return sorted((dataset.folder / "train2017").iterdir())


def tiny(cache: Path, files: int = 3, seed: int = 42) -> Dataset:
    return coco(Fraction(files, FULL_FILES), cache, seed=seed, progress=False)


def test_the_folder_holds_the_images_and_nothing_else(small: Dataset) -> None:
    assert (small.files, [path.name for path in small.folder.iterdir()]) == (FILES, ["train2017"])
    assert [path.suffix for path in images(small)] == [".jpg"] * FILES


def test_every_file_decodes_to_a_colour_photograph_of_about_640_by_480(small: Dataset) -> None:
    shapes = Counter()
    for path in images(small):
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB")
            shapes[max(image.size), min(image.size)] += 1
    assert set(shapes) == {(640, 480), (640, 427), (640, 428)}


def test_no_file_is_padded(small: Dataset) -> None:
    for path in images(small):
        data = path.read_bytes()
        assert data.endswith(b"\xff\xd9")
        with Image.open(path) as image:
            assert len(image.info["comment"]) < 80


def test_sizes_have_coco_s_median_and_mean(small: Dataset) -> None:
    sizes = [path.stat().st_size for path in images(small)]
    assert median(sizes) == pytest.approx(MEDIAN_BYTES, rel=0.05)
    assert mean(sizes) == pytest.approx(MEAN_BYTES, rel=0.05)
    assert sum(sizes) == small.bytes


def test_nearly_every_file_has_the_size_drawn_for_it(small: Dataset) -> None:
    misses = [
        abs(path.stat().st_size / target_bytes(index, 42) - 1) for index, path in enumerate(images(small))
    ]
    assert sorted(misses)[int(0.95 * FILES)] < 0.02


def test_no_two_files_are_equal(small: Dataset) -> None:
    assert len(set(file_digests(small).values())) == FILES


def test_a_file_made_alone_equals_the_one_made_among_others_in_other_processes(small: Dataset) -> None:
    assert images(small)[149].read_bytes() == make_jpeg(149, 42)


def test_a_smaller_scale_is_a_prefix_of_a_larger_one(small: Dataset, tmp_path: Path) -> None:
    smaller = file_digests(tiny(tmp_path))
    assert smaller.items() <= file_digests(small).items()


def test_the_same_seed_gives_the_same_digest_anywhere(tmp_path: Path) -> None:
    assert tiny(tmp_path / "a").digest == tiny(tmp_path / "b").digest


def test_another_seed_gives_other_files(tmp_path: Path) -> None:
    first, second = tiny(tmp_path), tiny(tmp_path, seed=43)
    assert first.digest != second.digest
    assert not set(file_digests(first).values()) & set(file_digests(second).values())


def test_the_digest_is_blake3_over_sorted_lines_of_name_size_and_blake3(small: Dataset) -> None:
    lines = [f"{p.name} {p.stat().st_size} {blake3(p.read_bytes()).hexdigest()}\n" for p in images(small)]
    assert small.digest == blake3("".join(lines).encode()).hexdigest()


def test_a_complete_dataset_is_reused_untouched(small: Dataset) -> None:
    before = [path.stat().st_mtime_ns for path in images(small)]
    again = coco(Fraction(FILES, FULL_FILES), small.folder.parent, progress=False)
    assert again == small
    assert [path.stat().st_mtime_ns for path in images(small)] == before


def test_an_interrupted_build_goes_on_and_drops_what_does_not_belong(tmp_path: Path) -> None:
    whole = tiny(tmp_path / "whole")
    interrupted = tmp_path / "interrupted"
    partial = interrupted / f"{whole.name}.partial" / "train2017"
    partial.mkdir(parents=True)
    first, second, _ = images(whole)
    shutil.copy2(first, partial)
    (partial / second.name).write_bytes(second.read_bytes()[:1000])
    (partial / f".{second.name}.tmp").write_bytes(b"half")
    kept = (partial / first.name).stat().st_mtime_ns
    resumed = tiny(interrupted)
    assert resumed.digest == whole.digest
    assert [path.name for path in images(resumed)] == [path.name for path in images(whole)]
    assert (resumed.folder / "train2017" / first.name).stat().st_mtime_ns == kept
    assert not partial.parent.exists()


@pytest.mark.parametrize("damage", ["missing", "shorter", "extra", "marker"])
def test_a_damaged_dataset_is_built_again(tmp_path: Path, damage: str) -> None:
    whole = tiny(tmp_path)
    victim = images(whole)[1]
    match damage:
        case "missing":
            victim.unlink()
        case "shorter":
            victim.write_bytes(b"")
        case "extra":
            (victim.parent / "stranger.jpg").write_bytes(b"x")
        case "marker":
            (tmp_path / f"{whole.name}.json").write_text("{")
    assert tiny(tmp_path) == whole
    assert len(images(whole)) == whole.files
    assert victim.stat().st_size > 0
