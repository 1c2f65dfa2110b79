"""What `plan` says: which cases there are, which have a result of the same thing, and what the rest would take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.dataset import coco_name
from harness.forecast import Forecaster
from harness.home import Home
from harness.identity import case_digest, digest_of_result, spec_of_result
from harness.inventory import Inventory
from harness.machine import machine_facts, machine_id
from harness.overhead import many_cases
from harness.plan import Options, Plan, build_plan
from harness.planning import lines_of, planned_cases
from harness.spec import CaseSpec
from harness.suite import load_suite
from tests.harness.result_factory import case, tmpfs

HERE = machine_id(machine_facts())


def published(home: Home, result: dict[str, Any]) -> dict[str, Any]:
    """Put a result of this machine into a home, as `harness publish` would."""
    result = {**result, "machine_id": HERE}
    result["id"] = spec_of_result(result).id
    path = home.results / result["suite"] / HERE / f"{result['id']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result


def plan_of(**options: Any) -> Plan:
    return build_plan(load_suite("fuse"), Options(**options), "pillow")


def test_a_digest_changes_with_the_case_the_system_and_the_files_and_with_nothing_else() -> None:
    spec = spec_of_result(case())
    digests = {
        case_digest(spec, "a", "files"),
        case_digest(replace(spec, config="2GiB"), "a", "files"),
        case_digest(replace(spec, workers=2), "a", "files"),
        case_digest(spec, "b", "files"),
        case_digest(spec, "a", "other files"),
    }

    assert len(digests) == 5
    assert case_digest(spec, "a", "files") in digests
    assert digest_of_result(case()) == digest_of_result({**case(), "commit": "0" * 40, "dirty": True})


def test_a_dataset_has_its_name_before_it_is_built(tmp_path: Path) -> None:
    from harness.dataset import coco

    assert coco_name("2/118287") == coco("2/118287", tmp_path, progress=False).name
    assert coco_name("2/118287") != coco_name("3/118287")


def test_a_plan_shows_which_results_are_there_and_which_are_outdated(tmp_path: Path) -> None:
    home, plan = Home(tmp_path), plan_of(configs=["19GiB"], accesses=["random"], scale="1/32")
    (pond, ceiling) = planned_cases(plan, home)
    assert (pond.result, pond.done) == (None, False)
    dataset = {"name": coco_name("1/32"), "digest": "e" * 64, "files": 3_696, "bytes": 600_000_000}
    params = {**case()["params"], "loader": "pillow", "batch_size": 64}
    for planned, made, digest in ((pond, case(), "outdated"), (ceiling, tmpfs([1.0] * 5), "kernel")):
        published(
            home,
            {
                **made,
                "dataset": dataset,
                "scale": "1/32",
                "system_digest": digest,
                "params": {**params, "s3": planned.case.s3},
            },
        )

    pond, ceiling = planned_cases(plan, home)

    assert pond.result is not None
    assert (pond.result.where, pond.result.n, pond.done) == ("published", 7, False)
    assert "outdated" in pond.state
    assert ceiling.done
    text = "\n".join(lines_of(plan, [pond, ceiling]))
    assert "1 of 2 cases have a result of the same digest" in text
    assert "published: n = 7, outdated" in text


def test_results_of_other_machines_and_suites_do_not_count(tmp_path: Path) -> None:
    home = Home(tmp_path)
    result = published(home, case())

    assert Inventory(home, HERE).of("fuse", result["id"]) is not None
    assert Inventory(home, HERE).of("quick", result["id"]) is None
    assert Inventory(home, "0" * 12).of("fuse", result["id"]) is None
    assert len(Inventory(home, HERE).results()) == 1


def test_a_forecast_scales_what_was_measured_and_else_says_that_it_guesses() -> None:
    measured = {**case(), "scale": "1/118"}
    forecaster = Forecaster([measured])
    spec = spec_of_result(measured)
    there, larger = forecaster.of(spec), forecaster.of(replace(spec, scale="2/118"))

    assert there.measured
    assert larger.measured
    assert larger.seconds > there.seconds
    assert larger.usd == pytest.approx(2 * there.usd)
    guess = forecaster.of(replace(spec, config="2GiB"))
    assert not guess.measured
    assert guess.seconds > 0


def spec(system: str, config: str, s3: str, access: str = "random") -> CaseSpec:
    return CaseSpec(system, config, access, "raw", "pillow", 64, 4, 224, "1/32", s3)


def test_the_model_knows_latency_layout_and_the_price_of_requests() -> None:
    forecaster = Forecaster([])
    ceiling, near, far, objects = (
        forecaster.of(spec(system, config, s3))
        for system, config, s3 in (
            ("tmpfs", "files", "sim-aws"),
            ("pond", "2GiB", "sim-none"),
            ("pond", "2GiB", "sim-aws"),
            ("mountpoint", "nocache", "sim-aws"),
        )
    )

    assert ceiling.seconds <= near.seconds < far.seconds < objects.seconds
    assert (ceiling.bytes, ceiling.usd) == (0.0, 0.0)
    assert 0 < far.usd < objects.usd


def test_a_plan_of_many_cases_lists_each_once(tmp_path: Path) -> None:
    path = tmp_path / "many.toml"
    path.write_text(many_cases())
    plan = build_plan(load_suite(str(path)), Options(), "pillow")

    planned = planned_cases(plan, Home(tmp_path))

    assert (
        len(planned) == len({one.digest for one in planned}) == len({one.case.id for one in planned}) == 1200
    )
