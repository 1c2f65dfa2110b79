"""Each rule flips the label of a case that is CLOSED without it, and no other rule speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.labels import LabelContext, label_of
from tests.harness.result_factory import case, trial

Change = Callable[[dict[str, Any]], object]


def label(
    result: dict[str, Any],
    rounds: int = 7,
    reference: frozenset[int] = frozenset(),
    *,
    minimum: int = 5,
    layout: str = "pond",
) -> tuple[str, list[str]]:
    return label_of(
        LabelContext(
            case=result,
            minimum_repeats=minimum,
            rounds=rounds,
            reference_cache_bytes=reference,
            layout=layout,
        )
    )


def each_epoch(result: dict[str, Any], change: Change) -> dict[str, Any]:
    for one in result["trials"]:
        for epoch in one["epochs"]:
            change(epoch)
    return result


def first_epoch(change: Change, number: int = 0) -> Change:
    return lambda result: change(result["trials"][0]["epochs"][number])


def test_a_case_without_a_reservation_is_closed() -> None:
    assert label(case()) == ("CLOSED", [])
    assert label(case("tmpfs", "files", trials=[trial(n, 1.0, 1.0) for n in range(1, 8)])) == ("CLOSED", [])


# --- INVALID -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e["verdict"].update(ok=False, wrong=3), "3 of 1000 files read wrong"),
        (lambda e: e["verdict"].update(ok=False, checked=0), "bytes not verified"),
        (lambda e: e["s3"].update(get=0), "cold not proved: no GET reached the server"),
        (lambda e: e["s3"].update(bytes=1000, get=1), "cold not proved: fewer bytes fetched than read"),
        (
            lambda e: e.update(s3=None),
            "cold not proved: no requests counted, and the system's caches not shown to be empty",
        ),
        (lambda e: e["samples"].update({"system.cache_bytes": 9e9}), "cache over its limit"),
    ],
)
def test_what_makes_a_case_invalid(change: Change, reason: str) -> None:
    assert label(each_epoch(case(), change)) == ("INVALID", [reason])


def before_the_epoch(requests: float, fetched: float) -> Change:
    early = {"requests_before_epoch": requests, "bytes_before_epoch": fetched}

    def change(epoch: dict[str, Any]) -> None:
        if epoch["state"] == "cold":
            epoch["samples"] |= early

    return change


def test_what_was_fetched_before_the_epoch_does_not_prove_it_cold() -> None:
    assert label(each_epoch(case(), before_the_epoch(3, 1_000_000))) == ("CLOSED", [])
    assert label(each_epoch(case(), before_the_epoch(40, 150_000_000))) == (
        "INVALID",
        ["cold not proved: fewer bytes fetched than read"],
    )


def without_a_cache(gets: int) -> dict[str, Any]:
    result = case("mountpoint", "nocache", trials=[trial(n, 2.0, 1.0, gets=gets) for n in range(1, 8)])
    result["params"] |= {"cache_bytes": None, "page_cache": True}
    return result


def test_without_a_cache_every_file_is_asked_for_in_a_cold_epoch() -> None:
    assert label(without_a_cache(1_000), layout="objects") == ("CLOSED", [])
    assert label(without_a_cache(899), layout="objects") == (
        "INVALID",
        ["cold not proved: fewer GETs than files, without a cache"],
    )
    assert label(without_a_cache(40), layout="pond") == ("CLOSED", [])  # packed: one GET has many files


def test_requests_of_the_mount_and_the_listing_are_not_the_cold_epochs() -> None:
    listed = each_epoch(without_a_cache(1_000), before_the_epoch(1, 1_000))
    assert label(listed, layout="objects") == ("CLOSED", [])

    fetched = each_epoch(without_a_cache(1_000), before_the_epoch(500, 1_000))
    assert label(fetched, layout="objects") == (
        "INVALID",
        ["cold not proved: fewer GETs than files, without a cache"],
    )


def test_bytes_that_were_compared_in_one_round_hold_for_all() -> None:
    result = case()
    for one in [*result["trials"][:2], *result["trials"][3:]]:
        for epoch in one["epochs"]:
            epoch["verdict"] = {"ok": False, "checked": 0, "wrong": 0}
    assert label(result) == ("CLOSED", [])

    for epoch in result["trials"][2]["epochs"]:
        epoch["verdict"] = {"ok": False, "checked": 1_000, "wrong": 1}
    assert label(result) == ("INVALID", ["1 of 1000 files read wrong"])


def test_one_bad_epoch_of_one_trial_is_enough() -> None:
    result = case()
    result["trials"][4]["epochs"][1]["verdict"].update(ok=False, wrong=1)

    assert label(result) == ("INVALID", ["1 of 1000 files read wrong"])


def test_a_cache_at_its_limit_is_not_over_it() -> None:
    full = each_epoch(case(), lambda e: e["samples"].update({"system.cache_bytes": 200_000_000.0}))

    assert label(full) == ("CLOSED", [])


def test_a_case_without_trials_is_invalid_and_says_why() -> None:
    assert label(case(trials=[]) | {"status": "failed", "reason": "round 1: no mount"}) == (
        "INVALID",
        ["no trial gave a figure: round 1: no mount"],
    )


def test_where_the_server_counts_nothing_empty_caches_prove_cold() -> None:
    empty = {"reset": True, "proof": "made for this trial"}

    def uncounted(epoch: dict[str, Any]) -> None:
        epoch["s3"] = None
        epoch["cache_state"] |= {"system_memory": empty, "system_disk": empty}

    assert label(each_epoch(case(), uncounted)) == (
        "OPEN",
        ["cold not counted by the server", "requests not counted"],
    )


@pytest.mark.parametrize("layer", ["system_memory", "system_disk"])
def test_one_cache_shown_to_be_empty_does_not_prove_cold(layer: str) -> None:
    def uncounted(epoch: dict[str, Any]) -> None:
        epoch["s3"] = None
        epoch["cache_state"][layer] = {"reset": True, "proof": "made for this trial"}

    assert label(each_epoch(case(), uncounted))[0] == "INVALID"


# --- OPEN ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["params"].update(loader="pillow"), "loader pillow, not torch"),
        (lambda c: c["trials"][0].update(cpus=[]), "free affinity"),
        (lambda c: c["params"].update(fidelity="paper"), "paper fidelity"),
        (
            lambda c: c["params"].update(batch_size=64),
            "16 batches: too many of them are under way before the clock starts",
        ),
        (
            lambda c: c["params"].update(cache_bytes=1_000_000),
            "the workers' window exceeds the cache at scale 1/118",
        ),
        (first_epoch(lambda e: e["s3"].update(get=12), 1), "warm in full, yet up to 12 GETs"),
        (
            first_epoch(lambda e: e["cache_state"]["page_cache"].update(reset=False)),
            "page cache not dropped (needs root)",
        ),
        (
            first_epoch(lambda e: e.update(page_cache_bytes=None)),
            "page cache neither bounded nor counted",
        ),
        (
            first_epoch(
                lambda e: (
                    e.update(page_cache_bytes=3 << 20),
                    e["samples"].update({"system.cache_bytes": 200_000_000.0}),
                )
            ),
            "unequal cache bytes: 3 MiB of page cache beyond 191 MiB",
        ),
        (first_epoch(lambda e: e.update(s3=None), 1), "requests not counted"),
        (first_epoch(lambda e: e["samples"].pop("system.cache_bytes")), "cache not counted"),
        (
            lambda c: c["trials"][2].update(neighbours=1, noisy=True),
            "1 of 7 rounds measured beside neighbours (--jobs)",
        ),
    ],
)
def test_what_keeps_a_case_open(change: Change, reason: str) -> None:
    result = case()
    change(result)

    assert label(result) == ("OPEN", [reason])


@pytest.mark.parametrize(
    ("kept", "rounds", "expected"),
    [
        (4, 4, ("OPEN", ["n = 4 < 5"])),
        (5, 5, ("CLOSED", [])),
        (6, 7, ("OPEN", ["1 of 7 trials gave no figure"])),
    ],
)
def test_a_case_needs_five_trials_and_all_that_were_tried(
    kept: int, rounds: int, expected: tuple[str, list[str]]
) -> None:
    result = case()
    result["trials"] = result["trials"][:kept]

    assert label(result, rounds) == expected


@pytest.mark.parametrize(("minimum", "expected"), [(1, "n = 4 < 5"), (7, "n = 4 < 7")])
def test_a_suite_may_ask_for_more_than_five_trials_and_not_for_fewer(minimum: int, expected: str) -> None:
    result = case()
    result["trials"] = result["trials"][:4]

    assert label(result, 4, minimum=minimum) == ("OPEN", [expected])


def test_the_workers_window_has_both_batches_that_each_has_under_way() -> None:
    result = case()  # 4 workers, 16 files of 150 kB each
    result["params"]["cache_bytes"] = 19_200_000
    assert label(result) == ("CLOSED", [])

    result["params"]["cache_bytes"] -= 1
    assert label(result) == ("OPEN", ["the workers' window exceeds the cache at scale 1/118"])


def test_a_cache_and_its_pages_are_bounded_together() -> None:
    def holds(pages: int, own: float) -> dict[str, Any]:
        def change(epoch: dict[str, Any]) -> None:
            epoch.update(page_cache_bytes=pages)
            epoch["samples"]["system.cache_bytes"] = own

        return each_epoch(case(), change)

    assert label(holds(50_000_000, 150_000_000.0)) == ("CLOSED", [])
    verdict, reasons = label(holds(100_000_000, 150_000_000.0))
    assert (verdict, reasons) == ("OPEN", ["unequal cache bytes: 48 MiB of page cache beyond 191 MiB"])


def test_a_system_without_a_cache_has_none_in_the_page_cache_either() -> None:
    result = case("mountpoint", "nocache")
    result["params"] |= {"cache_bytes": None, "page_cache": True}
    assert label(result) == ("CLOSED", [])

    each_epoch(result, lambda e: e.update(page_cache_bytes=1 << 20))
    assert label(result) == ("OPEN", ["unequal cache bytes: 1 MiB of page cache beyond no cache"])


def test_a_row_that_is_there_to_show_the_page_cache_need_not_drop_it_before_a_warm_epoch() -> None:
    result = case(config="19GiB+pagecache")
    result["params"]["page_cache"] = True
    for one in result["trials"]:
        one["epochs"][1]["cache_state"]["page_cache"]["reset"] = False

    assert label(result) == ("CLOSED", [])


def test_a_cache_without_room_for_everything_may_fetch_when_warm() -> None:
    result = case()
    result["params"]["cache_bytes"] = 100_000_000
    for one in result["trials"]:
        one["epochs"][1]["s3"].update(get=500)

    assert label(result) == ("CLOSED", [])


def test_a_peers_cache_has_to_be_as_large_as_one_of_ponds() -> None:
    peer = case("rclone", "disk")

    assert label(peer, reference=frozenset([20_000_000, 200_000_000])) == ("CLOSED", [])
    assert label(peer, reference=frozenset()) == ("CLOSED", [])
    assert label(peer, reference=frozenset([20_000_000])) == (
        "OPEN",
        ["unequal cache bytes: 191 MiB, pond's 20 MiB"],
    )


def test_at_paper_fidelity_wrong_loads_are_counted_and_not_hidden() -> None:
    result = case()
    result["params"]["fidelity"] = "paper"
    for one in result["trials"][:2]:
        one["epochs"][1]["verdict"] = {"ok": False, "checked": 1000, "wrong": 5}

    assert label(result) == ("OPEN", ["paper fidelity: 10 of 14000 loads wrong"])
    result["params"]["fidelity"] = "fixed"
    assert label(result) == ("INVALID", ["5 of 1000 files read wrong"])


def test_noise_is_a_warning_and_no_reservation() -> None:
    result = case()
    result["trials"][0]["noisy"] = True

    assert label(result) == ("CLOSED", [])


def test_a_hinted_case_is_labelled_like_any_other() -> None:
    assert label(case() | {"hinted": True}) == ("CLOSED", [])


def test_what_is_not_installed_is_neither_valid_nor_invalid() -> None:
    assert label(case(trials=[]) | {"status": "not_installed"}) == ("OPEN", ["not installed"])


def test_a_case_that_reads_no_files_has_no_loader_and_no_page_cache_to_be_judged_by() -> None:
    result = case()
    result["params"] = {"what": "first save"}
    for one in result["trials"]:
        one["epochs"] = [one["epochs"][0] | {"s3": None, "cache_state": {}, "page_cache_bytes": None}]

    assert label(result) == ("CLOSED", [])


def test_trials_of_several_rounds_need_not_be_in_order() -> None:
    shuffled = [trial(number, 2.0, 1.0, gets=40) for number in (3, 1, 2, 7, 5, 4, 6)]

    assert label(case(trials=shuffled)) == ("CLOSED", [])
