"""Synthetic data have the published places, rows and columns; equal scales give equal bytes; a folder is whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from harness.errors import UsageError
from harness.podworkloads import WORKLOADS
from harness.podworkloads._data import RECORD, Maker, Say, make_once
from harness.podworkloads._single_cell import FOLDER, SINGLE_CELL, matrices
from harness.podworkloads._tweets import FILE, TWEETS

_SCALES = {"tweets": 0.002, "single-cell": 0.001}


@pytest.fixture(scope="module", params=[TWEETS, SINGLE_CELL], ids=lambda maker: maker.name)
def twice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    maker: Maker = request.param
    folders = [tmp_path_factory.mktemp(maker.name) / "data" for _ in range(2)]
    for folder in folders:
        make_once(maker, folder, _SCALES[maker.name])
    return folders[0], folders[1]


def test_equal_scales_give_equal_bytes(twice: tuple[Path, Path]) -> None:
    first, second = ((folder / RECORD).read_text() for folder in twice)

    assert first == second
    assert len(json.loads(first)["files"]) >= 1


def test_tweets_have_the_published_schema(tmp_path: Path) -> None:
    make_once(TWEETS, tmp_path / "data", 0.01)
    frame = pd.read_csv(tmp_path / "data" / FILE)

    kinds = {"i": 0, "f": 0, "O": 0}
    for dtype in frame.dtypes:
        kinds[dtype.kind] += 1
    assert (len(frame), kinds) == (4573, {"i": 5, "f": 2, "O": 8})
    assert int(frame["stance"].notna().sum()) == round(44_127 * 0.01)
    assert set(frame["stance"].dropna()) == {-1.0, 0.0, 1.0, 2.0}
    assert frame["tweet_id"].is_unique


def test_single_cell_files_have_the_published_layout(tmp_path: Path) -> None:
    make_once(SINGLE_CELL, tmp_path / "data", 0.001)
    folder = tmp_path / "data" / FOLDER
    meta = pd.read_csv(folder / "metadata.csv", index_col="cell_id")
    ids: list[str] = []
    for matrix in matrices:
        with h5py.File(folder / f"{matrix.name}.h5") as file:
            group = file[matrix.name]
            values = group["block0_values"]
            rows = group["axis1"].asstr()[:].tolist()
            assert sorted(group) == ["axis0", "axis1", "block0_items", "block0_values"]
            assert (values.dtype, values.shape) == (np.dtype("float32"), (len(rows), matrix.columns))
            assert np.mean(values[:] != 0) == pytest.approx(matrix.density, abs=0.02)
            ids += rows if matrix.name.endswith("inputs") else []

    assert (meta.shape, meta.index.tolist()) == ((282, 4), ids)
    assert meta.index.is_unique


def test_the_smallest_table_has_tweets_of_each_stance(tmp_path: Path) -> None:
    make_once(TWEETS, tmp_path / "data", 1e-6)
    counts = pd.read_csv(tmp_path / "data" / FILE)["stance"].value_counts()

    assert (int(counts.sum()), sorted(counts.index), bool(counts.min() >= 2)) == (
        44,
        [-1.0, 0.0, 1.0, 2.0],
        True,
    )


def test_data_are_made_once(tmp_path: Path) -> None:
    said: list[str] = []
    skltweet = WORKLOADS["skltweet"]
    for _ in range(2):
        skltweet.prepare(tmp_path, 0.001, said.append)

    assert said == ["tweets: 0 of 457 rows"]
    assert skltweet.environment(tmp_path, 0.001)["NBDATA"] == str(tmp_path / "tweets-1-0.001")


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write(folder: Path, scale: float, say: Say) -> None:
        (folder / "half").write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        make_once(Maker("broken", 1, ("half",), {}, write, 0), tmp_path / "data", 1.0)

    assert list(tmp_path.iterdir()) == []


def test_the_users_data_are_taken(tmp_path: Path) -> None:
    make_once(TWEETS, tmp_path / "mine", 0.001)
    workload = WORKLOADS["skltweet"].on(tmp_path / "mine")
    workload.prepare(tmp_path / "cache", 1.0)

    assert workload.environment(tmp_path / "cache", 1.0)["NBDATA"] == str(tmp_path / "mine")
    assert not (tmp_path / "cache").exists()


def test_what_reads_no_files_stays_as_it_is(tmp_path: Path) -> None:
    assert WORKLOADS["rmtree"].on(tmp_path) is WORKLOADS["rmtree"]


def test_data_that_lack_a_file_or_a_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"lacks {FILE}, which skltweet reads"):
        WORKLOADS["skltweet"].on(tmp_path)
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text(",".join(["tweet_id", "text"]) + "\n")
    with pytest.raises(UsageError, match=r"lacks the columns created, .*stance"):
        WORKLOADS["skltweet"].on(tmp_path)
