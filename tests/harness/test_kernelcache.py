from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import kernelcache
from harness.kernelcache import DROP_PAGES, ResidentSample, can_drop, drop, evict, resident_pages

PAGES = 10


@pytest.fixture
def file() -> Iterator[Path]:
    # /tmp may lie in memory, whose pages cannot be dropped; /var/tmp outlives a reboot.
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as out:
        out.write(os.urandom(PAGES * kernelcache._PAGE))
        out.flush()
        os.fsync(out.fileno())
        yield Path(out.name)


def test_pages_that_were_just_written_are_resident(file: Path) -> None:
    with file.open("rb") as opened:
        assert resident_pages(opened.fileno()) == PAGES


def test_the_two_ways_of_counting_agree(file: Path) -> None:
    with file.open("rb") as opened:
        assert kernelcache._by_mincore(opened.fileno()) == PAGES
        assert kernelcache._by_cachestat(opened.fileno()) in {PAGES, None}  # None before Linux 6.5


def test_single_files_are_evicted_without_being_root(file: Path, tmp_path: Path) -> None:
    proof = evict([file, tmp_path / "gone"])
    with file.open("rb") as opened:
        assert resident_pages(opened.fileno()) == 0

    assert (proof.reset, proof.proof) == (False, "1 files evicted, 0 pages stayed, 1 could not be opened")
    assert evict([file]).reset


@pytest.mark.root
def test_dropping_empties_and_counting_does_not_fill(file: Path) -> None:
    if not can_drop():
        pytest.skip("root may not drop caches here")
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        proof = drop(DROP_PAGES)

        counts = [resident_pages(opened.fileno()), kernelcache._by_mincore(opened.fileno())]

    assert proof.reset
    assert counts == [0, 0]


def test_without_permission_the_proof_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernelcache, "_DROP_FILE", tmp_path / "missing" / "drop_caches")

    proof = drop(DROP_PAGES)

    assert not proof.reset
    assert "refused" in proof.proof


def test_a_sample_scales_to_the_whole_tree(file: Path) -> None:
    with ResidentSample([file], size=4) as sample:
        assert sample.files == 1
        assert sample.pages() == PAGES
        assert sample.resident_bytes(1_000_000) == 1_000_000
