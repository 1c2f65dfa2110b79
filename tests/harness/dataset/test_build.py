"""Building: room on the disk, errors of the file system, progress, processes."""

from __future__ import annotations

import io
import os
from collections import namedtuple
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console

from harness.dataset import FULL_FILES, DatasetError, NoPhotosError, NoSpaceError, _build, _image, coco
from harness.dataset._report import Report
from harness.dataset._workers import spread

ONE = Fraction(1, FULL_FILES)
Usage = namedtuple("Usage", "total used free")


def test_too_little_disk_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_build.shutil, "disk_usage", lambda _: Usage(1, 1, 1000))
    with pytest.raises(NoSpaceError, match="SCALE"):
        coco(ONE, tmp_path, progress=False)
    assert not list(tmp_path.rglob("*.jpg"))


def test_a_cache_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError) as refusal:
        coco(ONE, tmp_path / "file" / "cache", progress=False)
    assert "\n" not in str(refusal.value)


def test_missing_photographs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_image, "photo_folder", lambda: tmp_path)
    _image.recipe_digest.cache_clear()
    with pytest.raises(NoPhotosError, match=r"astronaut\.png"):
        coco(ONE, tmp_path, progress=False)


def test_off_a_terminal_progress_is_a_line_a_quarter() -> None:
    out = io.StringIO()
    with Report("making images", 8, console=Console(file=out)) as report:
        for _ in range(8):
            report.advance(1)
    lines = out.getvalue().splitlines()
    assert lines[0] == "making images: 8"
    assert [line.split(",")[0] for line in lines[1:]] == [f"making images: {n} of 8" for n in (2, 4, 6, 8)]


def test_progress_can_be_silent() -> None:
    out = io.StringIO()
    with Report("making images", 1, enabled=False, console=Console(file=out)) as report:
        report.advance(1)
    assert out.getvalue() == ""


def tag(items: Sequence[int]) -> list[tuple[int, int]]:
    return [(item, os.getpid()) for item in items]


def test_many_items_are_worked_on_in_other_processes_each_once() -> None:
    results = [pair for batch in spread(tag, range(200), processes=2) for pair in batch]
    assert sorted(item for item, _ in results) == list(range(200))
    assert os.getpid() not in {pid for _, pid in results}


def test_few_items_are_worked_on_here() -> None:
    assert list(spread(tag, range(3), processes=2)) == [[(item, os.getpid()) for item in range(3)]]
