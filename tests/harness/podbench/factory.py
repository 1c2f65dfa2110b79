"""Results of `pod-bench`, made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.podworkloads import WORKLOADS
from tests.harness.result_factory import MACHINE_ID
from tests.harness.result_factory import case as file_case

OURS = {"mode": "thread", "podding": "lga"}


def loads(seconds: list[float], *, checked: int | None = None, wrong: int = 0) -> dict[str, Any]:
    return {
        "loads": [
            {"nth": place, "tid": place, "time_s": value, "load_b": 10} for place, value in enumerate(seconds)
        ],
        "verdict": {
            "checked": len(seconds) if checked is None else checked,
            "wrong": wrong,
            "first_wrong": "the version after cell 1: a differs" if wrong else None,
            "wrong_names": {"a": wrong} if wrong else {},
        },
    }


def trial(
    number: int = 1,
    *,
    stored: int = 1000,
    saves: tuple[float, ...] = (0.2, 0.2),
    join: float = 0.2,
    locks: tuple[float, ...] = (),
    load: float = 0.1,
    cold: float = 0.3,
    wrong: int = 0,
    busy: float = 0.0,
    unsaved: Mapping[str, str] | None = None,
    evicted: bool = True,
    behind: tuple[int, ...] = (),
    run_id: str = "run-b",
) -> dict[str, Any]:
    times = [*saves, join]
    return {
        "status": "ok",
        "reason": None,
        "run_id": run_id,
        "round": number,
        "order": 1,
        "wall_s": 2.0,
        "cpus": [0],
        "other_cpu_share": busy,
        "unsaved": dict(unsaved or {}),
        "unsaved_counts": [len(unsaved or {})] * len(saves),
        "samples": {
            "exec_times": [0.1] * len(saves),
            "dumps": [
                {"nth": place, "time_s": value, "storage_b": stored * (place + 1) // len(times)}
                for place, value in enumerate(times)
            ],
            "async_dumps": [
                {"nth": place, "time_s": 0.5, "storage_b": size} for place, size in enumerate(behind)
            ],
            "lock_times": list(locks),
            "join_times": [],
            "gap_times": [0.001] * len(saves),
            "storage_bytes": stored,
            "grown_bytes": stored,
            "written_bytes": stored,
            "peak_rss_bytes": 10,
            "children_peak_rss_bytes": 0,
            "cpu_s": 1.0,
            "wall_s": 1.0,
        },
        "warm": loads([load, load, load], wrong=wrong),
        "cold": {
            **loads([cold]),
            "open_s": 0.01,
            "page_cache": {"reset": evicted, "proof": "sync, then drop_caches 1"},
        },
    }


FACTS: dict[str, Any] = {
    "versions": {},
    "digest": "d" * 64,
    "references": {},
    "machine": file_case()["machine"],
    "machine_id": MACHINE_ID,
    "commit": "c" * 40,
    "dirty": False,
}


def podbench_case(
    system: str = "snp",
    workload: str = "skltweet",
    trials: list[dict[str, Any]] | None = None,
    **other: Any,
) -> dict[str, Any]:
    """A result as it lies in a run's folder."""
    name = workload.partition("[")[0]
    scale = WORKLOADS[name].default_scale if name in WORKLOADS else 1.0
    ours = system.startswith(("p", "imm"))
    kept = [
        {key: value for key, value in one.items() if key not in {"status", "reason"}}
        for one in ([trial()] if trials is None else trials)
    ]
    verdicts = [one[state]["verdict"] for one in kept for state in ("warm", "cold")]
    checked, wrong = (sum(verdict[key] for verdict in verdicts) for key in ("checked", "wrong"))
    return {
        "schema": 1,
        "id": f"{name}_{system}_scale{scale:g}",
        "suite": "pod-bench",
        "system": system,
        "system_version": "1",
        "system_digest": "d" * 64 if ours else "unknown",
        "options": OURS if ours else {"mode": "sync"},
        "workload": workload,
        "name": name,
        "about": "a workload",
        "parameters": {},
        "exclude": "[exc]" in workload,
        "repetition": None,
        "scale": scale,
        "fidelity": "fixed",
        "reference": f"{name}-0",
        "seeds": {"session": 123, "loads": 123, "hash": 0},
        "status": "ok",
        "reason": None,
        "verdict": {"ok": bool(checked) and not wrong, "checked": checked, "wrong": wrong},
        "unsaved": {},
        "label": "OPEN",
        "label_reasons": ["n = 1 < 5"],
        "machine": FACTS["machine"],
        "machine_id": MACHINE_ID,
        "commit": "c" * 40,
        "dirty": False,
        "trials": kept,
    } | other
