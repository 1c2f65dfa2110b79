from __future__ import annotations

from pathlib import Path

import pytest

from harness.dataset import Dataset
from harness.s3 import PROFILES, start_sim
from harness.upload import ensure_layouts

pytestmark = pytest.mark.s3


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    images = tmp_path / "data" / "train2017"
    images.mkdir(parents=True)
    for index in range(3):
        (images / f"{index:012}.jpg").write_bytes(bytes([index]) * 10)
    return Dataset("tiny", images.parent, 3, 30, "0123456789abcdef0123", 1.0, 42)


def test_objects_are_uploaded_once_and_marked_when_all_are_there(dataset: Dataset, tmp_path: Path) -> None:
    with start_sim(tmp_path / "sim", model=PROFILES["none"]) as server:
        first = ensure_layouts(server, dataset, ["objects"])
        put = server.counters().put
        again = ensure_layouts(server, dataset, ["objects"])

        assert first == again == {"objects": f"s3://{server.bucket}/objects/0123456789abcdef"}
        assert (put, server.counters().put) == (4, 4)  # the files and the marker
