"""Every result that is committed fits the schema; none is skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.schemas import validate
from tests.harness.podbench.factory import podbench_case
from tests.harness.result_factory import case, podmicro_case

ROOT = Path(__file__).resolve().parents[2]
NOT_RESULTS = {"local", "published"}
COMMITTED = sorted(
    path for path in (ROOT / "results").glob("*/*/*.json") if path.parts[-3] not in NOT_RESULTS
)


def fits(path: Path) -> None:
    """Check a result against its suite's schema, and that it lies where it belongs."""
    result = json.loads(path.read_text())

    validate(result)
    assert (result["suite"], result["machine_id"], result["id"]) == (
        path.parts[-3],
        path.parts[-2],
        path.stem,
    )


@pytest.mark.parametrize(
    "result", [case(), podmicro_case(), podbench_case()], ids=lambda result: str(result["suite"])
)
def test_a_result_of_each_kind_of_suite_would_fit(result: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / result["suite"] / result["machine_id"] / f"{result['id']}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(result))

    fits(path)


def test_there_are_committed_results() -> None:
    assert COMMITTED


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_committed_result_fits_the_schema_and_lies_where_it_belongs(path: Path) -> None:
    fits(path)
