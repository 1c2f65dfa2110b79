from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.errors import HarnessError, ResultInvalid
from harness.home import Home
from harness.podbench._plan import Case, Request, make_plan
from harness.podbench._results import case_of
from harness.podbench.report import print_table, publish_cases, render
from harness.runs import RunFolder
from harness.schemas import of_files, validate
from harness.stores import write_cases
from tests.harness.podbench.factory import FACTS, podbench_case, trial
from tests.harness.result_factory import MACHINE_ID


def result(
    system: str = "snp",
    trials: list[dict[str, Any]] | None = None,
    *,
    fidelity: str = "fixed",
    scale: str | None = None,
    without: tuple[str, str] | None = None,
) -> dict[str, Any]:
    request = Request(systems=system, workloads="rmlist", scale=scale, fidelity=fidelity)
    plan = make_plan(request)
    facts = FACTS | {"versions": {system: "1"}}
    outcomes = [trial(number) for number in range(1, 6)] if trials is None else trials
    return case_of(facts, plan, Case(system, plan.workloads[0]), outcomes, without)


FAILED = {"status": "failed", "reason": "cell 3: KeyError: 'x'", "round": 2}


@pytest.mark.parametrize(
    ("case", "label", "reasons"),
    [
        (result(scale="1"), "CLOSED", []),
        (result(), "OPEN", ["scale 0.1"]),
        (result(trials=[trial()], scale="1"), "OPEN", ["n = 1 < 5"]),
        (result(trials=[*map(trial, range(1, 6)), FAILED], scale="1"), "OPEN", ["1 of 6 trials gave no figure"]),
        (result(trials=[trial(n, busy=0.2) for n in range(1, 6)], scale="1"), "OPEN", ["other processes in 5 of 5 rounds"]),
        (
            result(trials=[trial(n, unsaved={"f": "a file"}) for n in range(1, 6)], scale="1"),
            "OPEN",
            ["variables unsaved: 1"],
        ),
        (
            result(trials=[trial(n, evicted=n > 2) for n in range(1, 6)], scale="1"),
            "OPEN",
            ["loads not known to be cold in 2 of 5 rounds"],
        ),
        (result(trials=[trial(n, wrong=1) for n in range(1, 6)], scale="1"), "OPEN", ["5 of 20 loads wrong"]),
        (result("pga", trials=[trial(wrong=1)], scale="1"), "INVALID", ["1 of 4 loads wrong"]),
        (
            result("pga", trials=[trial(wrong=1)], scale="1", fidelity="paper"),
            "OPEN",
            ["1 of 4 loads wrong", "paper fidelity", "n = 1 < 5"],
        ),
        (result("pga", scale="1", fidelity="paper"), "OPEN", ["paper fidelity"]),
        (result(trials=[FAILED]), "INVALID", ["no trial gave a figure: round 2: cell 3: KeyError: 'x'"]),
        (result(trials=[], without=("skipped", "no soft-dirty")), "OPEN", ["skipped: no soft-dirty"]),
        (result(trials=[], without=("not_installed", "make peers")), "OPEN", ["not installed: make peers"]),
    ],
)  # fmt: skip
def test_labels(case: dict[str, Any], label: str, reasons: list[str]) -> None:
    assert (case["label"], case["label_reasons"]) == (label, reasons)
    validate(case)


def test_what_saves_nothing_is_not_compared_and_says_so() -> None:
    nothing = [trial(number) for number in range(1, 6)]
    for one in nothing:
        for state in ("warm", "cold"):
            one[state]["verdict"]["checked"] = 0

    assert result("noop", nothing, scale="1")["label_reasons"] == ["nothing to compare: it saves nothing"]


def test_a_result_says_what_was_measured() -> None:
    case = result("pga", [trial(unsaved={"f": "a file"})])

    assert case["id"] == "rmlist_pga_scale0.1"
    assert (case["options"]["podding"], case["options"]["chunk_dedup"]) == ("lga", False)
    assert case["unsaved"] == {"f": "a file"}
    assert case["system_digest"] == FACTS["digest"]
    assert result("snp")["system_digest"] == "unknown"
    assert result("pga", fidelity="paper")["id"] == "rmlist_pga_scale0.1_paper"


def test_it_is_no_suite_of_files() -> None:
    assert not of_files("pod-bench")


def test_a_result_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultInvalid, match="rmlist_snp"):
        write_cases(RunFolder(tmp_path), [{**result(), "label": "GOOD"}])


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "results" / "local" / "run-b")
    run.begin({"suite": "pod-bench", "rounds": 1, "groups": ["a"]})
    run.write_unit("a", 1, {"group": "a", "round": 1})
    return run


def test_published_results_render_into_readme(tmp_path: Path, run: RunFolder) -> None:
    home = Home(tmp_path)
    cases = [
        podbench_case("pga", trials=[trial(stored=100, saves=(0.1,), join=0.1)]),
        podbench_case("snp", trials=[trial(stored=1000, saves=(0.5,), join=0.5)]),
        podbench_case("crii", trials=[], status="skipped", reason="no soft-dirty"),
    ]
    written = publish_cases(run, cases, home)

    assert [path.parent.name for path in written] == [MACHINE_ID] * 3
    text = render(home)
    line = next(line for line in text.splitlines() if "| pga |" in line)
    assert (
        "| skltweet | 0.03 | pga | 100 B | 100.0 ms | 100.0 ms | 300.0 ms | 4/4 | 10.0x | 5.0x | 1.00x | 25.4x /"
        in line
    )
    assert "- crii: no soft-dirty" in text
    assert text.startswith("<!-- results:pod-bench begin -->")
    (history,) = (home.results / "pod-bench" / "history.jsonl").read_text().splitlines()
    assert [row["system"] for row in json.loads(history)["rows"]] == ["pga", "snp", "crii"]


def test_a_caption_names_each_commit_that_was_measured(tmp_path: Path, run: RunFolder) -> None:
    home = Home(tmp_path)
    cases = [podbench_case("snp"), podbench_case("pga", commit="a" * 40, dirty=True)]
    publish_cases(run, cases, home)

    assert "; commits aaaaaaaaaaaa with changes, cccccccccccc. Scale: " in render(home)


def test_readme_folds_what_few_ask_for_and_tells_what_does_not_hold(tmp_path: Path, run: RunFolder) -> None:
    home = Home(tmp_path)
    cases = [
        podbench_case("pga", trials=[trial(saves=(0.1,), join=0.1)]),
        podbench_case("pod", trials=[trial(saves=(0.3,), join=0.3)]),
        podbench_case("pgl", trials=[trial()]),
    ]
    publish_cases(run, cases, home)

    shown, folded, below = re.split(r"</?details>", render(home))
    assert "| pga |" in shown
    assert "| pgl |" not in shown
    assert folded.startswith("\n<summary>pgl</summary>\n\n| Workload")
    assert "| pgl |" in folded
    assert "- pod on skltweet: blocked <= 1.05 x pga's: 3 (n = 1)" in below


def test_readme_begins_with_what_pod_and_pga_save_of_the_best_baselines(
    tmp_path: Path, run: RunFolder
) -> None:
    home = Home(tmp_path)
    cases = [
        podbench_case("snp", trials=[trial(stored=1000, saves=(0.5,), join=0.5)]),
        podbench_case("pga", trials=[trial(stored=100, saves=(0.1,), join=0.1)]),
        podbench_case("pod", trials=[trial(stored=50, saves=(0.05,), join=0.05)]),
        podbench_case("pga", workload="rmlist", trials=[trial()]),
        podbench_case("snp", workload="rmlist", trials=[trial()]),
        podbench_case("pod", workload="rmlist", trials=[trial()], scale=1.0, id="rmlist_pod_scale1"),
        podbench_case("snp", workload="rmlist", trials=[trial()], scale=1.0, id="rmlist_snp_scale1"),
    ]
    publish_cases(run, cases, home)

    short = render(home).partition("Scale: share")[0]
    assert (
        "| skltweet | 0.03 | 20.0x | 10.0x | 25.4x | 10.0x | 5.0x | 5.7x | 1.00x | 1.00x | 0.48x | 4/4 | 4/4 | 1 |"
        in short
    )
    assert "rmlist" not in short


def test_figures_of_invalid_results_are_never_shown(tmp_path: Path, run: RunFolder) -> None:
    home = Home(tmp_path)
    bad = podbench_case(
        "pga", trials=[trial(stored=12345, wrong=2)], label="INVALID", label_reasons=["2 of 4 loads wrong"]
    )
    publish_cases(run, [bad], home)

    line = next(line for line in render(home).splitlines() if "| pga |" in line)
    assert "| 2/4 |" in line
    assert "12" not in line.partition("INVALID")[0].replace("25.4x", "")


def test_a_run_that_is_not_complete_is_not_published(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.begin({"suite": "pod-bench", "rounds": 1, "groups": ["a"]})

    with pytest.raises(HarnessError, match=r"is not complete: go on with .*harness pod-bench --resume run"):
        publish_cases(run, [podbench_case()], Home(tmp_path))


def test_figures_stay_where_a_run_has_none(tmp_path: Path, run: RunFolder) -> None:
    home = Home(tmp_path)
    (path,) = publish_cases(run, [podbench_case("crii")], home)
    before = path.read_text()
    none = podbench_case("crii", trials=[], status="skipped", reason="no soft-dirty")

    with pytest.raises(HarnessError, match="run-b has no figure that could replace what is published"):
        publish_cases(run, [none], home)
    assert publish_cases(run, [none, podbench_case("pga")], home) == [
        path.with_name("skltweet_pga_scale0.03.json")
    ]
    assert path.read_text() == before
    history = (home.results / "pod-bench" / "history.jsonl").read_text().splitlines()
    assert [[row["system"] for row in json.loads(line)["rows"]] for line in history] == [["crii"], ["pga"]]


def of_run(run_id: str, system: str, *stored: int, **named: Any) -> dict[str, Any]:
    trials = [trial(number, stored=size, run_id=run_id) for number, size in enumerate(stored, 1)]
    return podbench_case(system, trials=trials, **named)


def test_rounds_stay_that_another_case_is_held_against(tmp_path: Path, run: RunFolder) -> None:
    home = Home(tmp_path)
    publish_cases(run, [of_run("a", "snp", 1000), of_run("a", "pga", 100), of_run("a", "pgl", 200)], home)
    snp, pga = publish_cases(run, [of_run("b", "snp", 1000, 1000), of_run("b", "pga", 50, 50)], home)

    for path in (snp, pga):
        found = json.loads(path.read_text())
        assert [(one["run_id"], one["round"]) for one in found["trials"]] == [("b", 1), ("b", 2), ("a", 1)]
        assert found["verdict"] == {"ok": True, "checked": 12, "wrong": 0}
        assert found["label_reasons"][0] == "n = 3 < 5"
    lines = {
        line.split("|")[3].strip(): line
        for line in render(home).splitlines()
        if line.startswith("| skltweet")
    }
    assert "| 20.0x |" in lines["pga"]
    assert "| 5.0x |" in lines["pgl"]


def test_rounds_of_another_store_or_another_session_go(tmp_path: Path, run: RunFolder) -> None:
    home = Home(tmp_path)
    publish_cases(run, [of_run("a", "snp", 1000), of_run("a", "pga", 100), of_run("a", "pgl", 200)], home)
    written = publish_cases(
        run,
        [of_run("b", "snp", 1, reference="another"), of_run("b", "pga", 50, system_digest="0" * 64)],
        home,
    )

    for path in written:
        assert [one["run_id"] for one in json.loads(path.read_text())["trials"]] == ["b"]


def test_a_run_that_is_published_again_is_in_the_history_once(tmp_path: Path, run: RunFolder) -> None:
    for _ in range(2):
        publish_cases(run, [podbench_case("pga")], Home(tmp_path))

    assert len((tmp_path / "results" / "pod-bench" / "history.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "how",
    ["pip install kishu", "apt-get install redis, or: make peers PEERS=redis", "make peers PEERS=kishu"],
)
def test_what_a_registry_has_is_not_published_as_missing(tmp_path: Path, run: RunFolder, how: str) -> None:
    case = podbench_case("kishu", trials=[], status="not_installed", reason=how)

    with pytest.raises(HarnessError, match=r"a registry has kishu .*: install it, then measure again"):
        publish_cases(run, [case], Home(tmp_path))


def test_the_printed_table_says_what_must_hold_and_what_went_wrong() -> None:
    cases = [
        podbench_case("pga", trials=[trial(stored=100)]),
        podbench_case("snp", trials=[trial(stored=1000)], unsaved={"np": "a module"}),
        podbench_case("dill", trials=[trial(stored=1000, wrong=1)]),
        *(podbench_case(name, trials=[trial(stored=1000)]) for name in ("shev", "zodb", "zosp")),
        podbench_case(
            "pod", trials=[], status="failed", label="INVALID", label_reasons=["no trial gave a figure: why"]
        ),
    ]
    said = io.StringIO()
    print_table(cases, Console(width=220, file=said))
    text = said.getvalue()

    assert "holds  pga on skltweet: storage >= 5 x smaller than the best baseline's: 10 (n = 1)" in text
    assert "holds  pga on skltweet: every load right: 0 wrong (n = 1)" in text
    assert "MISSED pga on skltweet: blocked >= 2.5 x shorter" in text
    assert "a reservation: n = 1 < 5" in text
    assert "skltweet_dill_scale0.03: the version after cell 1: a differs" in text
    assert "skltweet_snp_scale0.03: unsaved: np" in text
    assert "skltweet_pod_scale0.03: INVALID: no trial gave a figure: why" in text
