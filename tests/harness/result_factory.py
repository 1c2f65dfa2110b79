"""Results by hand, small and complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.durable import write_json
from harness.runs import RunFolder

FILES = 1_000
BYTES = 150_000_000
MACHINE_ID = "0123456789ab"


def epoch(state: str, seconds: float, *, gets: int | None = None, fetched: int = BYTES) -> dict[str, Any]:
    s3 = None
    if gets is not None:
        s3 = {
            "get": gets,
            "head": 0,
            "list": 1,
            "put": 0,
            "bytes": fetched if gets else 0,
            "usd": gets * 4e-7,
        }
    samples = {"epoch_s": seconds, "total_s": seconds + 1, "first_batch_s": 1.0, "files": float(FILES)}
    return {
        "state": state,
        "samples": samples | ({} if gets is None else {"system.cache_bytes": 1_000_000.0}),
        "cache_state": {"page_cache": {"reset": True, "proof": "dropped"}},
        "s3": s3,
        "cpu_s": {"system": None, "loader": 1.5, "server": None},
        "peak_rss_bytes": None,
        "page_cache_bytes": 0,
        "verdict": {"ok": True, "checked": FILES, "wrong": 0},
    }


def trial(
    number: int, cold_s: float, warm_s: float, *, run_id: str = "run-a", gets: int | None = None
) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "round": number,
        "argv": ["pond", "mount", "URL", "MOUNTPOINT"],
        "cpus": [0, 1],
        "noisy": False,
        "epochs": [epoch("cold", cold_s, gets=gets), epoch("warm", warm_s, gets=None if gets is None else 0)],
    }


def case(
    system: str = "pond",
    config: str = "19GiB",
    *,
    trials: list[dict[str, Any]] | None = None,
    s3: str = "sim-aws",
) -> dict[str, Any]:
    ceiling = system in {"tmpfs", "null"}
    if trials is None:
        trials = [trial(number, 2.0, 1.0, gets=None if ceiling else 40) for number in range(1, 8)]
    return {
        "schema": 1,
        "id": f"{system}_{config}_random_decode{'' if s3 == 'sim-aws' else f'_{s3}'}",
        "suite": "fuse",
        "system": system,
        "system_version": "0.1.0",
        "system_digest": "d" * 64,
        "config": config,
        "workload": "random",
        "params": {
            "access": "random",
            "loader": "torch",
            "batch_size": 16,
            "workers": 4,
            "image_px": 224,
            "s3": s3,
            "s3_version": "1",
            "cache_bytes": None if ceiling else 200_000_000,
            "page_cache": system == "tmpfs",
            "ceiling": ceiling,
            "rounds": 7,
            "judged": True,
        },
        "scale": "1/118",
        "mode": "decode",
        "hinted": False,
        "seeds": {"order": 42},
        "status": "ok",
        "reason": None,
        "label": "CLOSED",
        "label_reasons": [],
        "dataset": {"name": "by-hand", "digest": "e" * 64, "files": FILES, "bytes": BYTES},
        "machine": {
            "cpu_model": "A CPU",
            "cores": 2,
            "memory_gib": 24,
            "kernel": "6.18",
            "python": "3.11.7",
            "environment": {},
        },
        "machine_id": MACHINE_ID,
        "commit": "c" * 40,
        "dirty": False,
        "trials": trials,
    }


def podmicro_case() -> dict[str, Any]:
    """A result of the suite that reads no files: it has another schema."""
    trial = {
        "run_id": "run-p",
        "round": 1,
        "order": 1,
        "cpus": [0],
        "other_cpu_share": 0.0,
        "samples": {"first save": {"seconds": 1.0, "bytes": 10.0, "fsync_s": 0.1}},
    }
    return {
        "schema": 1,
        "id": "lists_pod_scale1",
        "suite": "pod-micro",
        "system": "pod",
        "system_version": "1",
        "system_digest": "d" * 64,
        "workload": "lists",
        "about": "lists",
        "scale": 1.0,
        "seeds": {"session": 42},
        "status": "ok",
        "reason": None,
        "verdict": {"ok": True, "checked": 2, "wrong": 0},
        "label": "OPEN",
        "label_reasons": ["n = 1 < 7"],
        "machine": case()["machine"],
        "machine_id": MACHINE_ID,
        "commit": "c" * 40,
        "dirty": False,
        "trials": [trial],
    }


def podmicro_run(runs: Path, run_id: str = "run-p") -> RunFolder:
    """A run of that suite on this machine."""
    result = podmicro_case()
    run = RunFolder(runs / run_id)
    run.begin({"suite": "pod-micro", "rounds": 1, "groups": ["lists"], "machine_id": result["machine_id"]})
    write_json(run.folder / f"{result['id']}.json", result)
    return run


def timed(
    system: str,
    config: str,
    seconds: list[float],
    *,
    run_id: str = "run-a",
    s3: str = "sim-aws",
    gets: int | None = 40,
    warm_s: float = 1.0,
) -> dict[str, Any]:
    """A case by its cold times, one a round."""
    trials = [
        trial(number, value, warm_s, run_id=run_id, gets=gets) for number, value in enumerate(seconds, 1)
    ]
    return case(system, config, trials=trials, s3=s3)


def tmpfs(seconds: list[float], run_id: str = "run-a") -> dict[str, Any]:
    trials = [trial(number, value, value, run_id=run_id) for number, value in enumerate(seconds, 1)]
    return case("tmpfs", "files", trials=trials)
