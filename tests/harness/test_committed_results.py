"""Every result that is committed fits the schema; none is skipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.results import validate

ROOT = Path(__file__).resolve().parents[2]
NOT_RESULTS = {"local", "published"}
COMMITTED = sorted(
    path for path in (ROOT / "results").glob("*/*/*.json") if path.parts[-3] not in NOT_RESULTS
)


def test_there_are_committed_results() -> None:
    assert COMMITTED


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_committed_result_fits_the_schema_and_lies_where_it_belongs(path: Path) -> None:
    result = json.loads(path.read_text())

    validate(result)
    assert (result["suite"], result["machine_id"], result["id"]) == (
        path.parts[-3],
        path.parts[-2],
        path.stem,
    )
