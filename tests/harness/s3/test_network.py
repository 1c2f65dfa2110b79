"""The network model under a clock of the test's."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.s3._network import CATCH_UP_S, OPERATIONS, PROFILES, SLICE_BYTES, Flow, Network, NetworkModel

MIB = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def transfer(flow: Flow, clock: Clock, size: int, slice_bytes: int = SLICE_BYTES) -> float:
    """Seconds a body of `size` takes."""
    start = clock.now
    flow.begin(start)
    for offset in range(0, size, slice_bytes):
        clock.now = max(clock.now, flow.reserve(min(slice_bytes, size - offset)))
    return clock.now - start


def test_profile_aws_is_what_was_fitted():
    aws = PROFILES["aws"]
    assert [aws.first_byte_s(o) for o in ("get", "head", "list", "put")] == [0.016, 0.016, 0.029, 0.016]
    assert (aws.connection_bytes_per_s, aws.total_bytes_per_s) == (52 * MIB, 625e6)


def test_profile_aws_fast_answers_all_in_ten_milliseconds():
    fast = PROFILES["aws-fast"]
    assert {fast.first_byte_s(operation) for operation in OPERATIONS} == {0.010}
    assert fast.connection_bytes_per_s == PROFILES["aws"].connection_bytes_per_s


def test_profile_none_does_nothing():
    network = Network(PROFILES["none"], Clock())
    assert not network.paced
    assert [network.first_byte_s(operation) for operation in OPERATIONS] == [0.0] * len(OPERATIONS)
    assert all(network.admit() for _ in range(10_000))


def test_the_median_delay_is_the_stated_one():
    network = Network(PROFILES["aws"], Clock(), seed=7)
    delays = [network.first_byte_s("list") for _ in range(4001)]
    assert statistics.median(delays) == pytest.approx(0.029, rel=0.01)
    assert min(delays) > 0
    assert len(set(delays)) > 4000


def test_equal_seeds_give_equal_delays():
    def delays(seed: int) -> list[float]:
        network = Network(PROFILES["aws"], Clock(), seed=seed)
        return [network.first_byte_s("get") for _ in range(20)]

    assert delays(1) == delays(1)
    assert delays(1) != delays(2)


@pytest.mark.parametrize("slice_bytes", [64 * 1024, SLICE_BYTES, MIB])
def test_a_body_takes_size_over_rate_whatever_the_slices(slice_bytes):
    clock = Clock()
    flow = Network(PROFILES["aws"], clock).outgoing()
    assert transfer(flow, clock, 8 * MIB, slice_bytes) == pytest.approx(8 / 52)


def test_an_idle_connection_saves_nothing_up():
    clock = Clock()
    flow = Network(PROFILES["aws"], clock).outgoing()
    transfer(flow, clock, MIB)
    clock.now += 100
    assert transfer(flow, clock, 8 * MIB) == pytest.approx(8 / 52)


def test_a_late_sender_catches_up_but_not_for_ever():
    clock = Clock()
    model = NetworkModel(connection_bytes_per_s=MIB)
    flow = Network(model, clock).outgoing()
    flow.begin(clock.now)
    first = flow.reserve(MIB // 4)
    clock.now = first + CATCH_UP_S / 2
    assert flow.reserve(MIB // 4) == pytest.approx(first + 0.25)
    clock.now = first + 10
    assert flow.reserve(MIB // 4) == pytest.approx(first + 10 - CATCH_UP_S + 0.25)


def test_connections_share_the_total_fairly():
    clock = Clock()
    model = NetworkModel(connection_bytes_per_s=100 * MIB, total_bytes_per_s=100 * MIB)
    network = Network(model, clock)
    flows = [network.outgoing() for _ in range(4)]
    for flow in flows:
        flow.begin(clock.now)
    start = clock.now
    moved = [0] * 4
    due = {index: flow.reserve(SLICE_BYTES) for index, flow in enumerate(flows)}
    while sum(moved) < 100 * MIB:
        index = min(due, key=lambda i: due[i])
        clock.now = max(clock.now, due[index])
        moved[index] += SLICE_BYTES
        due[index] = flows[index].reserve(SLICE_BYTES)
    assert clock.now - start == pytest.approx(1.0, rel=0.03)
    assert max(moved) - min(moved) <= 2 * SLICE_BYTES


def test_uploads_and_downloads_do_not_share_a_line():
    clock = Clock()
    network = Network(NetworkModel(total_bytes_per_s=MIB), clock)
    out, into = network.outgoing(), network.incoming()
    out.begin(clock.now)
    into.begin(clock.now)
    assert out.reserve(MIB) == pytest.approx(clock.now + 1)
    assert into.reserve(MIB) == pytest.approx(clock.now + 1)


def test_requests_above_the_rate_are_not_admitted():
    clock = Clock()
    network = Network(NetworkModel(requests_per_s=10), clock)
    assert [network.admit() for _ in range(12)] == [True] * 10 + [False] * 2
    clock.now += 0.35
    assert [network.admit() for _ in range(5)] == [True] * 3 + [False] * 2
    clock.now += 100
    assert sum(network.admit() for _ in range(50)) == 10


def test_a_rate_below_one_admits_a_request_when_its_time_has_come():
    clock = Clock()
    network = Network(NetworkModel(requests_per_s=0.5), clock)
    assert [network.admit(), network.admit()] == [True, False]
    clock.now += 1.9
    assert not network.admit()
    clock.now += 0.2
    assert network.admit()


@given(st.lists(st.integers(1, 4 * MIB), min_size=1, max_size=40), st.floats(1e5, 1e9), st.floats(1e5, 1e9))
def test_no_link_is_ever_faster_than_its_rate(sizes, line, total):
    clock = Clock()
    network = Network(NetworkModel(connection_bytes_per_s=line, total_bytes_per_s=total), clock)
    flow = network.outgoing()
    start = clock.now
    flow.begin(start)
    for size in sizes:
        clock.now = max(clock.now, flow.reserve(size))
    assert clock.now - start >= sum(sizes) / min(line, total) * 0.999999 - 1e-6


@pytest.mark.parametrize(
    "wrong",
    [
        {"get_s": -1},
        {"list_s": float("nan")},
        {"jitter_sigma": 9},
        {"connection_bytes_per_s": 0},
        {"total_bytes_per_s": float("inf")},
        {"requests_per_s": -2},
    ],
)
def test_a_model_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NetworkModel(**wrong)
