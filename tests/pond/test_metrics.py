"""What a mount counts."""

from __future__ import annotations

import pytest

from pond.metrics import Metrics, parse_metrics


def test_everything_is_there_from_the_start_and_zero() -> None:
    values = parse_metrics(Metrics().render().decode())
    assert set(values.values()) == {0.0}
    needed = {
        "bytes_fetched",
        "bytes_served",
        "requests",
        "demand_hits",
        "demand_misses",
        "prefetch_bytes",
        "cache_bytes",
        "cache_limit_bytes",
    }
    assert needed <= values.keys()


def test_every_metric_says_what_it_is() -> None:
    text = Metrics().render().decode()
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    helped = {
        line.split()[2] for line in text.splitlines() if line.startswith("# HELP") and len(line.split()) > 4
    }
    assert {name for name in named if not name.endswith("_created")} == {
        name for name in helped if not name.endswith("_created")
    }
    assert all(name.startswith("pond_") for name in named)


def test_values_are_read_by_their_short_names() -> None:
    metrics = Metrics()
    metrics.bytes_fetched.inc(1 << 40)
    metrics.cache_bytes.set(7)
    metrics.fetch_seconds.observe(0.5)
    metrics.fetch_seconds.observe(0.25)
    values = parse_metrics(metrics.render().decode())
    assert (values["bytes_fetched"], values["cache_bytes"]) == (1 << 40, 7)
    assert (values["fetch_seconds_count"], values["fetch_seconds_sum"]) == (2, 0.75)


def test_two_mounts_do_not_share_their_counts() -> None:
    one, two = Metrics(), Metrics()
    one.reads.inc()
    assert parse_metrics(two.render().decode())["reads"] == 0


@pytest.mark.parametrize("seconds", [0.00005, 0.016, 100.0])
def test_a_latency_is_in_the_bucket_that_it_belongs_to(seconds: float) -> None:
    metrics = Metrics()
    metrics.read_seconds.observe(seconds)
    counts = {
        float(line.split('"')[1]): float(line.split()[-1])
        for line in metrics.render().decode().splitlines()
        if line.startswith("pond_read_seconds_bucket")
    }
    assert {limit for limit, count in counts.items() if count} == {
        limit for limit in counts if limit >= seconds
    }
