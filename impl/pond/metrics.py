"""What a mount counts, as Prometheus metrics of a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Metrics", "parse_metrics"]

_LATENCY_BUCKETS_S = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters, gauges and histograms of one mount."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = self._counter("pond_requests", "GETs that came back with a body")
        self.retries = self._counter("pond_retries", "attempts at a GET that failed and were tried again")
        self.errors = self._counter("pond_errors", "GETs given up, or whose bytes did not match their digest")
        self.bytes_fetched = self._counter("pond_bytes_fetched", "bytes that came from the store")
        self.bytes_served = self._counter("pond_bytes_served", "bytes given to readers")
        self.reads = self._counter("pond_reads", "READ requests")
        self.demand_hits = self._counter("pond_demand_hits", "entries that a reader found in the cache")
        self.demand_waits = self._counter("pond_demand_waits", "entries that a reader found on their way")
        self.demand_misses = self._counter("pond_demand_misses", "entries that a reader had to ask for")
        self.prefetch_bytes = self._counter("pond_prefetch_bytes", "bytes asked for ahead of any reader")
        self.prefetch_useful_bytes = self._counter(
            "pond_prefetch_useful_bytes", "bytes fetched ahead that were read"
        )
        self.prefetch_wasted_bytes = self._counter(
            "pond_prefetch_wasted_bytes", "bytes fetched ahead that were evicted unread"
        )
        self.evicted_bytes = self._counter("pond_evicted_bytes", "bytes that left the cache to make room")
        self.fetch_seconds = self._histogram("pond_fetch_seconds", "seconds of a GET, its retries included")
        self.read_seconds = self._histogram("pond_read_seconds", "seconds of a READ that had to wait")
        self.cache_bytes = self._gauge("pond_cache_bytes", "bytes in the cache")
        self.cache_entries = self._gauge("pond_cache_entries", "entries in the cache")
        self.cache_limit_bytes = self._gauge("pond_cache_limit_bytes", "bytes that the cache may hold")

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, registry=self.registry, buckets=_LATENCY_BUCKETS_S)

    def render(self) -> bytes:
        """Return the Prometheus text format."""
        return generate_latest(self.registry)


def parse_metrics(text: str) -> dict[str, float]:
    """Return the values of a rendered registry by short name: ``pond_`` and ``_total`` are left off.

    Of a histogram its ``_count`` and ``_sum`` are given.
    """
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                values[sample.name.removeprefix("pond_").removesuffix("_total")] = sample.value
    return values
