from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.durable import write_json
from harness.errors import HarnessError, ResultInvalid
from harness.home import Home
from harness.publish import publish, scrub
from harness.results import load_results, validate
from harness.runs import RunFolder
from tests.harness.result_factory import MACHINE_ID, case, tmpfs


def begun(home: Home, run_id: str, cases: list[dict[str, Any]], *, units: int = 1) -> RunFolder:
    run = RunFolder(home.runs / run_id)
    run.begin(
        {
            "suite": "fuse",
            "rounds": 1,
            "groups": ["random-decode"],
            "machine_id": MACHINE_ID,
            "commit": "c" * 40,
            "dirty": False,
        }
    )
    for number in range(units):
        run.write_unit("random-decode", number + 1, {"group": "random-decode", "round": number + 1})
    for result in cases:
        write_json(run.folder / f"{result['id']}.json", result)
    return run


@pytest.mark.parametrize(
    ("private", "public"),
    [
        ("OSError: no space: '/home/jo/data/x.jpg'", "OSError: no space: '<path>'"),
        ("at /srv/bench/mount", "at <path>"),
        ("--log=/var/log/pond.log", "--log=<path>"),
        ("~/bench/run", "<path>"),
        ("refused by http://127.0.0.1:40123/bench", "refused by <url>"),
        ("10.1.2.3:9000 is gone", "<address> is gone"),
        ("on buildbox-7 as jo.doe", "on <name> as <name>"),
        ("s3://my-bucket/coco@v1", "<url>"),
        ("1/32 and 40 GETs and/or random", "1/32 and 40 GETs and/or random"),
        ("see https://github.com/awslabs/mountpoint-s3", "see https://github.com/awslabs/mountpoint-s3"),
    ],
)
def test_scrubbing_takes_out_what_names_a_person_or_a_place(private: str, public: str) -> None:
    assert scrub({"a": [private]}, ["buildbox-7", "jo.doe"]) == {"a": [public]}


def test_scrubbing_keeps_only_the_allowed_environment() -> None:
    secret = {"machine": {"environment": {"AWS_SECRET_ACCESS_KEY": "x", "OMP_NUM_THREADS": "1"}}}

    assert scrub(secret) == {"machine": {"environment": {"OMP_NUM_THREADS": "1"}}}


def test_a_clean_result_is_not_changed_by_scrubbing() -> None:
    assert scrub(case()) == case()


def test_publishing_moves_a_whole_run_and_adds_a_line_of_history(tmp_path: Path) -> None:
    home = Home(tmp_path)
    leaky = case() | {"status": "failed", "reason": "round 2: no mount at /srv/secret/mount"}
    run = begun(home, "run-a", [leaky, tmpfs([1.0])])

    written = publish(run, home)

    assert {path.parent for path in written} == {home.results / "fuse" / MACHINE_ID}
    text = "".join(path.read_text() for path in written)
    assert "/srv/" not in text
    line = json.loads((home.results / "fuse" / "history.jsonl").read_text())
    assert (line["run_id"], line["machine_id"], len(line["rows"])) == ("run-a", MACHINE_ID, 4)
    assert set(load_results("fuse", home)["system"]) == {"pond", "tmpfs"}


def test_tmpfs_trials_stay_as_long_as_another_case_needs_them(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish(begun(home, "run-a", [case(), tmpfs([1.0])]), home)
    other = case(config="2GiB")
    for one in other["trials"]:
        one["run_id"] = "run-b"

    publish(begun(home, "run-b", [other, tmpfs([1.0], run_id="run-b")]), home)
    frame = load_results("fuse", home)

    assert set(frame[frame["system"] == "tmpfs"]["run_id"]) == {"run-a", "run-b"}

    again = case()
    for one in again["trials"]:
        one["run_id"] = "run-c"
    publish(begun(home, "run-c", [again, tmpfs([1.0], run_id="run-c")]), home)
    frame = load_results("fuse", home)

    assert set(frame[frame["system"] == "tmpfs"]["run_id"]) == {"run-b", "run-c"}


def test_half_a_run_is_not_published(tmp_path: Path) -> None:
    home = Home(tmp_path)
    run = begun(home, "run-a", [case()], units=0)

    with pytest.raises(HarnessError, match="--resume run-a"):
        publish(run, home)

    assert not (home.results / "fuse").exists()


def test_the_factory_writes_what_the_schema_takes() -> None:
    result = case()
    validate(result)

    assert result["schema"] == 1


@pytest.mark.parametrize("field", ["label", "trials", "machine_id", "hinted"])
def test_a_result_without_a_field_is_refused(field: str) -> None:
    result = case()
    del result[field]

    with pytest.raises(ResultInvalid, match=field):
        validate(result)


def test_a_result_with_a_wrong_value_is_refused_and_named() -> None:
    result = case()
    result["trials"][0]["epochs"][0]["state"] = "lukewarm"

    with pytest.raises(ResultInvalid, match="state"):
        validate(result)
