"""From the units of a run to its results: labels that need the other cases, and what a trial brings along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.results import frame_of, validate, workload_of, write_cases
from harness.runs import RunFolder
from tests.harness.result_factory import BYTES, FILES, MACHINE_ID, case, trial

GETS = {"pond": 40, "rclone": 40, "s3fs": 40, "tmpfs": None, "mountpoint": FILES}
CACHES = {"pond": 200_000_000, "rclone": 200_000_000, "s3fs": 50_000_000, "tmpfs": None, "mountpoint": None}


def described(system: str, s3: str = "sim-aws") -> dict[str, Any]:
    spec = {
        "system": system, "config": "disk", "access": "random", "mode": "decode", "loader": "torch", "batch_size": 16,
        "workers": 4, "image_px": 224, "scale": "1/118", "s3": s3,
    }  # fmt: skip
    return {
        "id": f"{system}-{s3}",
        "spec": spec,
        "missing": None,
        "ceiling": system == "tmpfs",
        "version": "1",
        "digest": "d",
    }


def outcome(of: dict[str, Any], number: int, **extra: object) -> dict[str, Any]:
    system = of["spec"]["system"]
    measured = trial(number, 2.0, 1.0, gets=GETS[system])
    for epoch in measured["epochs"]:
        del epoch["verdict"]
    verdict = {"ok": True, "checked": FILES, "wrong": 0, "examples": []} if number == 1 else None
    measured |= {"cache_bytes": CACHES[system], "page_cache": system == "tmpfs", "verdict": verdict}
    return {"case": of["id"], "status": "ok", "reason": None, "trial": measured, **extra}


def run_of(folder: Path, cases: list[dict[str, Any]], rounds: int = 5, **extra: object) -> RunFolder:
    run = RunFolder(folder / "run-a")
    sample = case()
    run.begin(
        {
            "suite": "fuse",
            "rounds": rounds,
            "judged": True,
            "minimum_repeats": 5,
            "groups": ["random-decode"],
            "s3_version": "1",
            "seeds": {"order": 42},
            "dataset": {"name": "by-hand", "digest": "e" * 64, "files": FILES, "bytes": BYTES},
            "machine": sample["machine"],
            "machine_id": MACHINE_ID,
            "commit": "c" * 40,
            "dirty": False,
            "cases": cases,
        }
    )
    for number in range(1, rounds + 1):
        unit = {
            "group": "random-decode",
            "round": number,
            "other_cpu_share": 0.01,
            "attempts": 1,
            "noisy": False,
            "outcomes": [outcome(each, number, **extra) for each in cases],
        }
        run.write_unit("random-decode", number, unit)
    return run


def test_a_peers_cache_is_held_against_ponds_of_the_same_run(tmp_path: Path) -> None:
    systems = ("pond", "rclone", "s3fs", "mountpoint", "tmpfs")
    results = write_cases(run_of(tmp_path, [described(system) for system in systems]))

    assert {result["system"]: (result["label"], result["label_reasons"]) for result in results} == {
        "pond": ("CLOSED", []),
        "rclone": ("CLOSED", []),
        "s3fs": ("OPEN", ["unequal cache bytes: 48 MiB, pond's 191 MiB"]),
        "mountpoint": ("CLOSED", []),
        "tmpfs": ("CLOSED", []),
    }


def test_without_pond_there_is_nothing_to_hold_a_cache_against(tmp_path: Path) -> None:
    (result,) = write_cases(run_of(tmp_path, [described("s3fs")]))

    assert result["label"] == "CLOSED"


def test_a_case_that_runs_in_fewer_rounds_is_not_said_to_have_failed_in_the_others(tmp_path: Path) -> None:
    run = run_of(tmp_path, [described("pond"), described("rclone")], rounds=6)
    last = run.units()[-1]
    run.write_unit("random-decode", 6, last | {"outcomes": last["outcomes"][:1]})

    results = {result["system"]: result for result in write_cases(run)}

    assert [len(results[name]["trials"]) for name in ("pond", "rclone")] == [6, 5]
    assert results["rclone"]["label_reasons"] == []


def test_each_trial_says_for_itself_whether_its_bytes_were_compared(tmp_path: Path) -> None:
    run = run_of(tmp_path, [described("pond")])
    for unit, verdict in zip(run.units(), [None, {"ok": True, "checked": FILES, "wrong": 0}], strict=False):
        unit["outcomes"][0]["trial"]["verdict"] = verdict
        run.write_unit("random-decode", unit["round"], unit)

    (result,) = write_cases(run)

    checked = [trial["epochs"][0]["verdict"]["checked"] for trial in result["trials"]]
    assert (checked, result["label"]) == ([0, FILES, 0, 0, 0], "CLOSED")


def test_bytes_that_were_compared_nowhere_make_a_case_invalid(tmp_path: Path) -> None:
    run = run_of(tmp_path, [described("pond")])
    (unit, *_) = run.units()
    unit["outcomes"][0]["trial"]["verdict"] = None
    run.write_unit("random-decode", 1, unit)

    (result,) = write_cases(run)

    assert (result["label"], result["label_reasons"]) == ("INVALID", ["bytes not verified"])


def test_a_wrong_byte_in_one_trial_takes_the_times_of_those_that_were_not_compared() -> None:
    result = case()
    for one, verdict in zip(result["trials"], [(True, FILES, 0), (False, FILES, 1)], strict=False):
        for epoch in one["epochs"]:
            epoch["verdict"] = dict(zip(("ok", "checked", "wrong"), verdict, strict=True))
    for one in result["trials"][2:]:
        for epoch in one["epochs"]:
            epoch["verdict"] = {"ok": False, "checked": 0, "wrong": 0}

    frame = frame_of([result])

    assert set(frame[frame["sample"] == "epoch_s"]["round"]) == {1}
    assert set(frame[frame["sample"] == "files"]["round"]) == set(range(1, 8))


def test_a_round_beside_neighbours_is_open_and_says_so(tmp_path: Path) -> None:
    run = run_of(tmp_path, [described("pond")])
    unit = run.units()[1]
    run.write_unit("random-decode", 2, unit | {"neighbours": 1, "noisy": True})

    (result,) = write_cases(run)

    assert [trial.get("neighbours") for trial in result["trials"]] == [None, 1, None, None, None]
    assert (result["label"], result["label_reasons"]) == (
        "OPEN",
        ["1 of 5 rounds measured beside neighbours (--jobs)"],
    )


def test_what_the_harness_itself_took_is_kept(tmp_path: Path) -> None:
    group = {"version": 1, "memory_limit_bytes": None, "memory_peak_bytes": 5, "cpus": None}
    cases = [described("pond")]
    (result,) = write_cases(run_of(tmp_path, cases, wall_s=9.5, overhead_s=1.25, cgroup=group))

    assert {(t["wall_s"], t["overhead_s"]) for t in result["trials"]} == {(9.5, 1.25)}
    assert result["trials"][0]["cgroup"] == group
    (bare,) = write_cases(run_of(tmp_path / "bare", cases, wall_s=0.0, overhead_s=None))
    assert "overhead_s" not in bare["trials"][0]


@pytest.mark.parametrize("fidelity", ["fixed", "paper"])
def test_fidelity_is_a_part_of_the_schema(fidelity: str) -> None:
    result = case()
    result["params"]["fidelity"] = fidelity

    validate(result)

    assert workload_of(result) == workload_of(case())


def test_work_is_the_same_whatever_the_system_and_its_cache() -> None:
    assert workload_of(case()) == workload_of(case("mountpoint", "nocache", s3="sim-none"))
    other = case()
    other["params"]["workers"] = 16
    assert workload_of(other) != workload_of(case())
