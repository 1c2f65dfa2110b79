"""Faults on purpose: which request of which object goes wrong, how and how often."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from harness.s3._network import OPERATIONS, Operation

__all__ = ["FAULT_KINDS", "Fault", "FaultPlan"]

FAULT_KINDS: Mapping[str, str] = {
    "reset": "the connection is reset, after `after_bytes` of the body or before any answer",
    "stall": "nothing more is sent for `stall_s` seconds, then the connection is reset",
    "short": "the full Content-Length is announced, half of the body is sent, the connection is closed",
    "500": "InternalError",
    "503": "SlowDown",
    "wrong-etag": "the answer's ETag is another one",
    "corrupt": "one byte of the body is changed",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule.

    Parameters
    ----------
    kind
        One of `FAULT_KINDS`.
    key
        Shell pattern over the object's key (``*`` crosses slashes).
    operation
        ``get``, ``head``, ``list``, ``put``, ``delete``, ``other``; ``*`` for any.
    probability
        Of each matching request to go wrong.
    count
        How many requests may go wrong; None: no limit.
    skip
        How many matching requests pass first.
    after_bytes
        ``reset`` and ``stall``: how much of the body is sent first; None: not even the head.
    stall_s
        How long a ``stall`` lasts.
    """

    kind: str
    key: str = "*"
    operation: Operation = "*"
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    after_bytes: int | None = None
    stall_s: float = 3600.0

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(FAULT_KINDS)}")
        if self.operation not in ("*", *OPERATIONS):
            raise ValueError(f"no operation {self.operation!r}; there are *, {', '.join(OPERATIONS)}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be between 0 and 1, got {self.probability}")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fault:
        unknown = sorted(set(value) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"no such field of a fault: {', '.join(unknown)}")
        if "kind" not in value:
            raise ValueError("a fault needs a kind")
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class FaultPlan:
    """The rules in force; the first that matches and fires decides a request."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self.faults = tuple(faults)
        self.hits = [0] * len(self.faults)
        self._matches = [0] * len(self.faults)
        self._random = random.Random(seed)

    def pick(self, operation: Operation, key: str) -> Fault | None:
        """The fault of this request, if any; counts it."""
        for index, fault in enumerate(self.faults):
            if fault.operation not in ("*", operation) or not fnmatchcase(key, fault.key):
                continue
            self._matches[index] += 1
            if self._matches[index] <= fault.skip:
                continue
            if fault.count is not None and self.hits[index] >= fault.count:
                continue
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            self.hits[index] += 1
            return fault
        return None
