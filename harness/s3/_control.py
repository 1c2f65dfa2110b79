"""The control API of a running sim: counters, profile, faults. JSON under ``/-/sim/``, from loopback only, unsigned.

====== ==================== =================================================================
GET    /-/sim/counters      the counters
POST   /-/sim/reset         set them to zero; answers what they were
GET    /-/sim/profile       the network model in force
PUT    /-/sim/profile       {"name": "aws"} or further fields of NetworkModel over that profile
GET    /-/sim/faults        the rules and how often each has fired
PUT    /-/sim/faults        a list of rules; replaces those in force ([] for none)
====== ==================== =================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Protocol

from harness.s3._counters import S3Counters
from harness.s3._faults import Fault, FaultPlan
from harness.s3._http import Response
from harness.s3._network import PROFILES, NetworkModel

__all__ = ["CONTROL_PREFIX", "Controllable", "answer_control", "model_from_json"]

CONTROL_PREFIX = "/-/sim/"
_JSON = {"Content-Type": "application/json"}


class Controllable(Protocol):
    """What of a server the API moves."""

    plan: FaultPlan

    @property
    def model(self) -> NetworkModel: ...
    def use_model(self, model: NetworkModel) -> None: ...
    def use_faults(self, faults: list[Fault]) -> None: ...
    def counters(self) -> S3Counters: ...
    def reset_counters(self) -> None: ...


def answer_control(server: Controllable, method: str, path: str, body: bytes) -> Response:
    """One control request; a bad one is answered 400 with a line that says why."""
    try:
        return Response(
            200, _JSON, json.dumps(_act(server, method, path.removeprefix(CONTROL_PREFIX), body)).encode()
        )
    except (ValueError, TypeError) as error:
        return Response(400, _JSON, json.dumps({"error": str(error)}).encode())


def _act(server: Controllable, method: str, what: str, body: bytes) -> Any:
    match method, what:
        case "GET", "counters":
            return asdict(server.counters())
        case "POST", "reset":
            before = asdict(server.counters())
            server.reset_counters()
            return before
        case "PUT", "profile":
            server.use_model(model_from_json(json.loads(body)))
            return asdict(server.model)
        case "GET", "profile":
            return asdict(server.model)
        case "PUT", "faults":
            rules = json.loads(body)
            if not isinstance(rules, list):
                raise TypeError("faults are a list")
            server.use_faults([Fault.from_json(rule) for rule in rules])
        case "GET", "faults":
            pass
        case _:
            raise ValueError(f"no such control: {method} {what}")
    return [{**f.to_json(), "hits": n} for f, n in zip(server.plan.faults, server.plan.hits, strict=True)]


def model_from_json(value: Mapping[str, Any]) -> NetworkModel:
    """A profile by name, with what else is given changed."""
    if not isinstance(value, Mapping):
        raise TypeError("a profile is an object with a name")
    name = str(value.get("name", "none"))
    if name not in PROFILES:
        raise ValueError(f"no profile {name!r}; there are {', '.join(PROFILES)}")
    unknown = sorted(set(value) - {field.name for field in fields(NetworkModel)})
    if unknown:
        raise ValueError(f"no such field of a network model: {', '.join(unknown)}")
    return replace(PROFILES[name], **value)
