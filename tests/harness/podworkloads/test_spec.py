"""The committed spec is what the published storages give."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from harness.podworkloads import WORKLOADS

PUBLISHED = Path(__file__).parents[3] / "results" / "published" / "chipmink.csv"


def storage(experiment: str, workload: str) -> dict[str, float]:
    with PUBLISHED.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["experiment"] == experiment]
    return {row["sut"]: float(row["storage_gb"]) * 1e9 for row in rows if row["workload"] == workload}


@pytest.mark.parametrize(
    ("name", "experiment", "everything", "cells"),
    [
        ("skltweet", "exp1_notebooks", "snp", 44),
        ("msciedaw", "exp1_notebooks", "snp", 28),
        ("nbupdate", "exp1_access_patterns", "dill", 13),
    ],
)
def test_the_spec_follows_from_the_published_storages(
    name: str, experiment: str, everything: str, cells: int
) -> None:
    stored = storage(experiment, name)
    published = WORKLOADS[name].published

    assert published is not None
    assert published.cells == cells
    assert published.snapshot_bytes == pytest.approx(stored[everything] / cells, rel=1e-6)
    rate = (cells * stored["pga"] / stored[everything] - 1) / (cells - 1)
    assert published.mutation_rate == pytest.approx(rate, rel=1e-3)
