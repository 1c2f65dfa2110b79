"""The real images, from a zip file or a folder."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path

import pytest

from harness.dataset import BadScaleError, BadSourceError, coco, file_digests

NAMES = [f"{number:012d}.jpg" for number in range(9, 109)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "unpacked" / "train2017"
    source.mkdir(parents=True)
    for name in NAMES:
        (source / name).write_bytes(name.encode() * 10)
    (source / "notes.txt").write_text("no image")
    return source.parent


@pytest.fixture
def archive(tmp_path: Path, folder: Path) -> Path:
    path = tmp_path / "train2017.zip"
    with zipfile.ZipFile(path, "w") as file:
        for source in sorted(folder.rglob("*")):
            file.write(source, source.relative_to(folder))
    return path


def test_a_zip_file_and_a_folder_of_the_same_images_give_the_same_dataset(
    archive: Path, folder: Path, tmp_path: Path
) -> None:
    zipped = coco(1, tmp_path / "a", data=archive, progress=False)
    unpacked = coco(1, tmp_path / "b", data=folder, progress=False)
    assert (zipped.digest, zipped.files, zipped.name) == (unpacked.digest, 100, unpacked.name)


def test_the_images_are_the_source_s(archive: Path, tmp_path: Path) -> None:
    dataset = coco(1, tmp_path / "cache", data=archive, progress=False)
    assert (dataset.folder / "train2017" / NAMES[7]).read_bytes() == NAMES[7].encode() * 10


def test_a_smaller_scale_takes_an_even_seeded_subset(archive: Path, tmp_path: Path) -> None:
    subset = sorted(file_digests(coco(Fraction(1, 10), tmp_path / "a", data=archive, progress=False)))
    assert [NAMES.index(name) // 10 for name in subset] == list(range(10))
    other = sorted(file_digests(coco(Fraction(1, 10), tmp_path / "a", data=archive, seed=1, progress=False)))
    assert other != subset
    again = sorted(file_digests(coco(Fraction(1, 10), tmp_path / "b", data=archive, progress=False)))
    assert again == subset


def test_the_source_folder_is_left_as_it_was(folder: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.jpg")}
    coco(1, tmp_path / "cache", data=folder, progress=False)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.jpg")} == before


@pytest.mark.parametrize("kind", ["absent", "not a zip", "no images", "two of one name", "damaged"])
def test_a_source_that_cannot_be_used_is_refused_by_name(
    kind: str, archive: Path, folder: Path, tmp_path: Path
) -> None:
    source = archive
    match kind:
        case "absent":
            source = tmp_path / "absent.zip"
        case "not a zip":
            archive.write_bytes(b"not a zip file")
        case "no images":
            source = tmp_path / "empty"
            source.mkdir()
        case "two of one name":
            source = folder
            (folder / NAMES[0]).write_bytes(b"twin")
        case "damaged":
            data = bytearray(archive.read_bytes())
            data[data.index(NAMES[0].encode() * 10)] ^= 1
            archive.write_bytes(data)
    with pytest.raises(BadSourceError) as refusal:
        coco(1, tmp_path / "cache", data=source, progress=False)
    assert "\n" not in str(refusal.value)
    assert not list((tmp_path / "cache").glob("*.json"))


def test_a_scale_that_leaves_no_image_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(BadScaleError):
        coco(Fraction(1, 1000), tmp_path / "cache", data=archive, progress=False)
