"""Ladders by hand, with the answer known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bound import Limit, Rungs, Traffic, bound_of, network_of
from harness.s3 import PROFILES

MIB = 1 << 20
FILES, NEEDED = 3_700, 580 * MIB


def traffic(
    gets: float = FILES,
    fetched: float = NEEDED,
    *,
    warm: bool = False,
    cache: bool = True,
    seconds: float = 30.0,
    **others: float,
) -> Traffic:
    return Traffic(
        requests={"get": gets, **others},
        bytes_fetched=fetched,
        bytes_needed=NEEDED,
        seconds=seconds,
        cached_before=warm,
        has_cache=cache,
    )


AWS = PROFILES["aws"]


@pytest.mark.parametrize(
    ("what", "rungs", "asked", "limit", "share"),
    [
        ("at the loader's speed", Rungs(1.05, 1.1, 1.13), traffic(145), "cpu", 1.05 / 1.13),
        ("a daemon that is slow itself", Rungs(1.1, 2.9, 3.0), traffic(145), "cpu", 2.8 / 3.0),
        ("a kernel that is slow", Rungs(4.0, 4.2, 4.3), traffic(145), "fuse", 3.0 / 4.3),
        ("twice as slow for the kernel's sake", Rungs(2.0, 2.05, 2.1), traffic(145), "fuse", 1.0 / 2.1),
        ("twice as slow for S3's sake", Rungs(1.05, 1.1, 2.0), traffic(FILES), "s3-latency", 0.9 / 2.0),
        ("a GET a file, one after the other", Rungs(1.1, 1.3, 9.0), traffic(FILES), "s3-latency", 7.7 / 9.0),
        ("few large GETs", Rungs(1.1, 1.3, 9.0), traffic(73), "bandwidth", 7.7 / 9.0),
        ("the link is full", Rungs(1.1, 1.3, 9.0), traffic(FILES, seconds=1.0), "bandwidth", 7.7 / 9.0),
        ("a lookup a file", Rungs(1.1, 1.3, 9.0), traffic(73, list=FILES), "s3-latency", 7.7 / 9.0),
        ("warm, but the cache forgot", Rungs(1.1, 1.3, 9.0), traffic(warm=True), "cache", 7.7 / 9.0),
        ("thrashing when cold", Rungs(1.1, 1.3, 16.0), traffic(fetched=34 * NEEDED), "cache", 14.7 / 16.0),
        ("most bytes fetched again", Rungs(1.1, 1.3, 9.0), traffic(fetched=2.1 * NEEDED), "cache", 7.7 / 9.0),
        ("some bytes fetched again", Rungs(1.1, 1.3, 9.0), traffic(fetched=1.9 * NEEDED), "s3-latency", 7.7 / 9.0),
        (
            "without a cache there is none to blame",
            Rungs(1.1, 1.3, 9.0),
            traffic(warm=True, cache=False),
            "s3-latency",
            7.7 / 9.0,
        ),
        ("only metadata when warm", Rungs(1.1, 1.3, 9.0), traffic(0, 0, warm=True, head=FILES), "s3-latency", 7.7 / 9.0),
    ],
)  # fmt: skip
def test_a_ladder_names_its_largest_step(
    what: str, rungs: Rungs, asked: Traffic, limit: Limit, share: float
) -> None:
    found = bound_of(rungs, asked, AWS)

    assert found.by == limit, what
    assert found.share == pytest.approx(share)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.unknown == pytest.approx(0.0)


def test_null_fuse_itself_is_bound_by_fuse_or_by_the_loader() -> None:
    assert bound_of(Rungs(3.0, None, 3.0), None, AWS).by == "fuse"
    assert bound_of(Rungs(1.5, None, 1.5), None, AWS).by == "fuse"
    assert bound_of(Rungs(1.2, None, 1.2), None, AWS).by == "cpu"


def test_what_asked_nothing_of_s3_needs_no_rung_without_a_network() -> None:
    warm = bound_of(Rungs(1.1, None, 3.0), traffic(0, 0, warm=True), AWS)

    assert (warm.by, warm.unknown) == ("cpu", pytest.approx(0.0))
    assert set(warm.shares) == {"loader", "cpu", "fuse", "s3-latency"}
    assert warm.shares["s3-latency"] == 0


def test_a_row_without_a_network_is_its_own_rung() -> None:
    found = bound_of(Rungs(1.1, None, 3.0), traffic(FILES), PROFILES["none"])

    assert (found.by, found.unknown) == ("cpu", pytest.approx(0.0))


@pytest.mark.parametrize(
    ("rungs", "limit"),
    [
        (Rungs(None, None, 1.13), "cpu"),  # 88 % is the loader, whatever the rest is
        (Rungs(None, None, 2.8), None),
        (Rungs(1.1, None, 9.0), None),
        (Rungs(None, 1.5, 9.0), "s3-latency"),
        (Rungs(None, 4.4, 9.0), "s3-latency"),
        (Rungs(None, 5.5, 9.0), None),
        (Rungs(6.0, None, 9.0), "fuse"),
    ],
)
def test_a_rung_that_was_not_measured_leaves_open_only_what_it_could_change(
    rungs: Rungs, limit: Limit | None
) -> None:
    assert bound_of(rungs, traffic(), AWS).by == limit


def test_rungs_out_of_order_by_noise_are_moved_between_their_neighbours() -> None:
    found = bound_of(Rungs(1.3, 1.2, 1.25), traffic(), AWS)

    assert found.shares == pytest.approx({"loader": 0.8, "fuse": 0.2, "cpu": 0.0, "s3-latency": 0.0})
    faster = bound_of(Rungs(0.97, 0.98, 0.99), traffic(), AWS)
    assert (faster.by, faster.share) == ("cpu", 1)


rung = st.floats(0.5, 50.0)


@given(st.none() | rung, st.none() | rung, rung, st.booleans())
def test_shares_are_shares(null: float | None, no_network: float | None, row: float, warm: bool) -> None:
    found = bound_of(Rungs(null, no_network, row), traffic(warm=warm), AWS)

    assert all(share >= 0 for share in found.shares.values())
    assert sum(found.shares.values()) <= 1 + 1e-9
    assert found.unknown == pytest.approx(max(0.0, 1 - sum(found.shares.values())))
    if null is not None and no_network is not None:
        assert found.unknown == pytest.approx(0.0, abs=1e-9)
    loader, *steps = found.shares.values()
    if loader >= 0.8:
        assert found.by == "cpu"
    elif found.by is not None:
        assert found.shares[found.by] == max(steps)
        assert found.share is not None
        assert found.unknown - 1e-9 <= found.share <= 1 + 1e-9
    else:
        assert found.share is None


def test_a_real_endpoint_is_taken_for_one_like_aws() -> None:
    assert bound_of(Rungs(1.1, 1.3, 9.0), traffic(FILES), None).by == "s3-latency"
    assert bound_of(Rungs(1.1, 1.3, 9.0), traffic(73), None).by == "bandwidth"


@pytest.mark.parametrize(
    ("s3", "network"),
    [("sim-aws", AWS), ("sim-none", PROFILES["none"]), ("seaweedfs", None), ("external", None)],
)
def test_the_network_of_a_case_is_that_of_its_profile(s3: str, network: object) -> None:
    assert network_of(s3) == network
