from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.labels import LabelContext, label_of
from tests.harness.result_factory import case, trial


def label(result: dict[str, Any], rounds: int = 7) -> tuple[str, list[str]]:
    return label_of(LabelContext(case=result, minimum_repeats=5, rounds=rounds))


def test_a_case_without_a_reservation_is_closed() -> None:
    assert label(case()) == ("CLOSED", [])


def each_epoch(result: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    for one in result["trials"]:
        for epoch in one["epochs"]:
            change(epoch)
    return result


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e["verdict"].update(ok=False, wrong=3), "3 of 1000 files read wrong"),
        (lambda e: e["verdict"].update(ok=False, checked=0), "bytes not verified"),
        (lambda e: e["s3"].update(get=0), "cold not proved: no GET reached the server"),
        (lambda e: e["s3"].update(bytes=1000, get=1), "cold not proved: fewer bytes fetched than read"),
        (lambda e: e["samples"].update({"system.cache_bytes": 9e9}), "cache over its limit"),
    ],
)
def test_what_makes_a_case_invalid(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    assert label(each_epoch(case(), change)) == ("INVALID", [reason])


def test_a_case_without_trials_is_invalid_and_says_why() -> None:
    assert label(case(trials=[]) | {"status": "failed", "reason": "round 1: no mount"}) == (
        "INVALID",
        ["no trial gave a figure: round 1: no mount"],
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.update(trials=c["trials"][:3]), "n = 3 < 5"),
        (lambda c: c.update(trials=c["trials"][:6]), "1 of 7 trials gave no figure"),
        (
            lambda c: c["params"].update(batch_size=64),
            "16 batches: too many of them are under way before the clock starts",
        ),
        (lambda c: c["params"].update(loader="pillow"), "loader pillow, not torch"),
        (lambda c: c["params"].update(page_cache=True), "page cache not bounded"),
        (
            lambda c: c["params"].update(cache_bytes=1_000_000),
            "the workers' window exceeds the cache at scale 1/118",
        ),
        (lambda c: c["trials"][0].update(noisy=True), "other processes in 1 of 7 rounds"),
        (lambda c: c["trials"][0].update(cpus=[]), "free affinity"),
        (
            lambda c: c["trials"][0]["epochs"][1]["s3"].update(get=12),
            "warm in full, yet up to 12 GETs",
        ),
        (
            lambda c: c["trials"][0]["epochs"][0]["cache_state"]["page_cache"].update(reset=False),
            "page cache not dropped (needs root)",
        ),
        (lambda c: c["trials"][0]["epochs"][0].update(page_cache_bytes=4096), "page cache holds data"),
        (lambda c: c["trials"][0]["epochs"][0].update(page_cache_bytes=None), "page cache not counted"),
        (lambda c: c["trials"][0]["epochs"][1].update(s3=None), "requests not counted"),
    ],
)
def test_what_keeps_a_case_open(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    result = case()
    change(result)

    verdict, reasons = label(result)

    assert verdict == "OPEN"
    assert reason in reasons


def test_a_row_that_is_there_to_show_the_page_cache_need_not_drop_it_before_a_warm_epoch() -> None:
    result = case(config="19GiB+pagecache")
    result["params"]["page_cache"] = True
    for one in result["trials"]:
        one["epochs"][1]["cache_state"]["page_cache"]["reset"] = False

    assert label(result) == ("OPEN", ["page cache not bounded"])


def test_what_is_not_installed_is_neither_valid_nor_invalid() -> None:
    assert label(case(trials=[]) | {"status": "not_installed"}) == ("OPEN", ["not installed"])


def test_trials_of_several_rounds_need_not_be_in_order() -> None:
    shuffled = [trial(number, 2.0, 1.0, gets=40) for number in (3, 1, 2, 7, 5, 4, 6)]

    assert label(case(trials=shuffled)) == ("CLOSED", [])
