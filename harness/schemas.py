"""The JSON schemas of results: the suite says which. One with a schema of its own is no suite of files and loaders."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import ResultInvalid

__all__ = ["of_files", "schema_file", "validate"]

_FOLDER: Final = Path(__file__).parent / "schema"
_OF_FILES: Final = _FOLDER / "result.schema.json"


def schema_file(suite: str) -> Path:
    """Return the schema that the results of a suite fit."""
    own = _FOLDER / f"{Path(suite).name}.schema.json"
    return own if own.is_file() else _OF_FILES


def of_files(suite: str) -> bool:
    """Say whether a suite's results are of systems whose files a loader reads: what plan, run and compare know."""
    return schema_file(suite) == _OF_FILES


@functools.cache
def _validator(path: Path) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(path.read_text()))


def validate(case: Mapping[str, Any]) -> None:
    """Check one result against its suite's schema.

    Raises
    ------
    ResultInvalid
        Naming the first place that does not fit.
    """
    for error in _validator(schema_file(str(case.get("suite")))).iter_errors(case):
        raise ResultInvalid(f"{case.get('id', 'a result')}: {error.json_path}: {error.message}")
