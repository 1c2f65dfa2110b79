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
        run.write_unit(
            "random-decode", number + 1, {"group": "random-decode", "round": number + 1, "outcomes": []}
        )
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


def under(run_id: str, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    """Give all trials of some results a run."""
    for result in cases:
        for one in result["trials"]:
            one["run_id"] = run_id
    return list(cases)


def kept_of(home: Home, system: str, config: str) -> set[str]:
    frame = load_results("fuse", home)
    return set(frame[(frame["system"] == system) & (frame["config"] == config)]["run_id"])


@pytest.mark.parametrize("status", ["not_installed", "failed", "timeout"])
def test_a_case_without_trials_does_not_replace_one_that_has_some(tmp_path: Path, status: str) -> None:
    home = Home(tmp_path)
    publish(begun(home, "run-a", [*under("run-a", case("rclone", "disk")), tmpfs([1.0])]), home)
    gone = case("rclone", "disk", trials=[]) | {"status": status, "reason": "no", "label": "INVALID"}

    written = publish(begun(home, "run-b", [gone, tmpfs([1.0], run_id="run-b")]), home)

    assert kept_of(home, "rclone", "disk") == {"run-a"}
    assert [path.stem for path in written] == ["tmpfs_files_random_decode"]
    assert kept_of(home, "tmpfs", "files") == {"run-a", "run-b"}  # what stays is still held against its own


def test_a_run_without_any_figure_publishes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish(begun(home, "run-a", [case()]), home)
    failed = case(trials=[]) | {"status": "failed", "reason": "no", "label": "INVALID"}

    with pytest.raises(HarnessError, match="run-b has no figure"):
        publish(begun(home, "run-b", [failed]), home)

    assert len((home.results / "fuse" / "history.jsonl").read_text().splitlines()) == 1


def test_a_case_without_trials_replaces_one_without(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for run_id, reason in (("run-a", "first"), ("run-b", "second")):
        none = case("rclone", "disk", trials=[]) | {"status": "not_installed", "reason": reason}
        publish(begun(home, run_id, [none]), home)

    (path,) = (home.results / "fuse" / MACHINE_ID).glob("*.json")
    assert json.loads(path.read_text())["reason"] == "second"


@pytest.mark.parametrize(
    ("system", "config", "s3"),
    [
        ("mountpoint", "nocache", "sim-aws"),
        ("null", "memory", "sim-aws"),
        ("pond", "19GiB", "sim-none"),
    ],
)
def test_what_others_are_held_against_stays_with_them(
    tmp_path: Path, system: str, config: str, s3: str
) -> None:
    home = Home(tmp_path)
    old = under("run-a", case(), case(system, config, s3=s3))
    publish(begun(home, "run-a", old), home)

    publish(begun(home, "run-b", under("run-b", case(system, config, s3=s3))), home)

    paths = (home.results / "fuse" / MACHINE_ID).glob(f"{system}_{config}*.json")
    held = [result for path in paths if (result := json.loads(path.read_text()))["params"]["s3"] == s3]
    assert [{trial["run_id"] for trial in result["trials"]} for result in held] == [{"run-a", "run-b"}]


def test_a_row_that_nothing_is_held_against_is_replaced_whole(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish(begun(home, "run-a", under("run-a", case(), case("rclone", "disk"))), home)

    publish(begun(home, "run-b", under("run-b", case("rclone", "disk"))), home)

    assert kept_of(home, "rclone", "disk") == {"run-b"}


def test_trials_over_other_data_do_not_stay(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish(begun(home, "run-a", [case(), tmpfs([1.0])]), home)
    other = tmpfs([1.0], run_id="run-b")
    other["dataset"] = {**other["dataset"], "digest": "f" * 64}

    publish(begun(home, "run-b", [other]), home)

    assert kept_of(home, "tmpfs", "files") == {"run-b"}


def test_trials_of_another_program_do_not_stay(tmp_path: Path) -> None:
    home = Home(tmp_path)
    old = [case(), case("mountpoint", "nocache"), case(s3="sim-none")]
    publish(begun(home, "run-a", under("run-a", *old)), home)
    newer = [case("mountpoint", "nocache") | {"system_digest": "e" * 64}]

    publish(begun(home, "run-b", under("run-b", *newer)), home)

    assert kept_of(home, "mountpoint", "nocache") == {"run-b"}


def test_a_rung_stays_with_its_own_row_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    old = [case("rclone", "disk"), case(s3="sim-none")]
    publish(begun(home, "run-a", under("run-a", *old)), home)

    publish(begun(home, "run-b", under("run-b", case(s3="sim-none"))), home)

    assert kept_of(home, "pond", "19GiB") == {"run-b"}


def test_history_tells_of_the_run_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish(begun(home, "run-a", [case(), tmpfs([1.0])]), home)

    publish(begun(home, "run-b", [tmpfs([3.0, 3.0], run_id="run-b")]), home)

    *_, line = (home.results / "fuse" / "history.jsonl").read_text().splitlines()
    rows = [row for row in json.loads(line)["rows"] if row["state"] == "cold"]
    assert [(row["system"], row["median_s"], row["n"]) for row in rows] == [("tmpfs", 3.0, 2)]


def test_a_run_id_that_is_published_with_other_trials_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    run = begun(home, "run-a", [case(), tmpfs([1.0, 1.0])])
    publish(run, home)
    publish(run, home)  # the same again

    more = begun(home, "run-a", [case(), tmpfs([1.0, 1.0, 1.0])])
    publish(more, home)  # it went on
    other = begun(home, "run-a", [case(), tmpfs([1.0, 2.0, 1.0])])
    with pytest.raises(HarnessError, match="run-a is published already with other trials of tmpfs"):
        publish(other, home)

    history = (home.results / "fuse" / "history.jsonl").read_text().splitlines()
    assert len(history) == 3


def test_the_label_is_that_of_all_trials_that_are_published(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish(begun(home, "run-a", [case(), tmpfs([1.0] * 4)]), home)

    short = tmpfs([1.0] * 3, run_id="run-b") | {"label": "OPEN", "label_reasons": ["n = 3 < 5"]}
    publish(begun(home, "run-b", [short]), home)

    path = home.results / "fuse" / MACHINE_ID / "tmpfs_files_random_decode.json"
    merged = json.loads(path.read_text())
    assert (len(merged["trials"]), merged["label"], merged["label_reasons"]) == (7, "CLOSED", [])


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
