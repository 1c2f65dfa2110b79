"""When two results are of the same thing: a case's digest, of the case, the system's bytes, the files and the schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from harness.spec import CaseSpec

__all__ = ["RESULT_SCHEMA", "case_digest", "digest_of_result", "spec_of_result"]

RESULT_SCHEMA: Final = 1
_LENGTH: Final = 12


def case_digest(case: CaseSpec, system_digest: str, dataset: str) -> str:
    """Return the digest of a case.

    Parameters
    ----------
    case
        System, config and workload.
    system_digest
        Of the system's own program, as it says itself.
    dataset
        The dataset's name, which holds its number of files, its seed and its recipe's digest.
    """
    parts = [RESULT_SCHEMA, asdict(case), system_digest, dataset]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_LENGTH]


def spec_of_result(result: Mapping[str, Any]) -> CaseSpec:
    """Return the case that a result is of."""
    params = result["params"]
    return CaseSpec(
        system=result["system"],
        config=result["config"],
        access=params["access"],
        mode=result["mode"],
        loader=params["loader"],
        batch_size=params["batch_size"],
        workers=params["workers"],
        image_px=params["image_px"],
        scale=result["scale"],
        s3=params["s3"],
    )


def digest_of_result(result: Mapping[str, Any]) -> str:
    """Return the digest of the case that a result is of, on the system and the files that it was measured with."""
    return case_digest(spec_of_result(result), result["system_digest"], result["dataset"]["name"])
