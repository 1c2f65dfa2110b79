"""The network between client and store, as a model: when may the next bytes of an answer arrive?

Nothing here sleeps or sends. The server asks and waits; a test asks with a clock of its own.

Model
-----
* **First byte**: a lognormal delay per operation whose *median* is the stated value; seeded.
* **Bandwidth**: two serial links, one per connection and one shared. A slice of n bytes occupies each link for n / rate
  seconds and arrives when it has left both: the time a client sees for a whole object is latency + size / rate,
  whatever the slice size. Connections interleave slice by slice, so the shared link is divided fairly.
* **Request rate**: a token bucket one second deep; a request without a token is answered 503 SlowDown.

A sender that is late (timers, a busy CPU) may catch up by at most `CATCH_UP_S`, else every late timer would lower the
rate for good.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["OPERATIONS", "PROFILES", "SLICE_BYTES", "Flow", "Network", "NetworkModel", "Operation"]

Operation = str
OPERATIONS: tuple[Operation, ...] = ("get", "head", "list", "put", "delete", "other")

SLICE_BYTES = 256 * 1024
CATCH_UP_S = 0.020

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NetworkModel:
    """Latency to the first byte per operation (seconds, median), bandwidths (bytes/s) and the request rate; None: unlimited."""

    name: str = "none"
    get_s: float = 0.0
    head_s: float = 0.0
    list_s: float = 0.0
    put_s: float = 0.0
    delete_s: float = 0.0
    other_s: float = 0.0
    jitter_sigma: float = 0.0
    connection_bytes_per_s: float | None = None
    total_bytes_per_s: float | None = None
    requests_per_s: float | None = None

    def __post_init__(self) -> None:
        for field in (f"{operation}_s" for operation in OPERATIONS):
            if not (math.isfinite(getattr(self, field)) and getattr(self, field) >= 0):
                raise ValueError(f"{field} must be a number of seconds >= 0, got {getattr(self, field)}")
        if not 0 <= self.jitter_sigma <= 2:
            raise ValueError(f"jitter_sigma must be between 0 and 2, got {self.jitter_sigma}")
        for field in ("connection_bytes_per_s", "total_bytes_per_s", "requests_per_s"):
            value = getattr(self, field)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{field} must be above 0, or absent for no limit, got {value}")

    def first_byte_s(self, operation: Operation) -> float:
        """Median delay of `operation`; one that is not known counts as ``other``."""
        delay: float = getattr(self, f"{operation if operation in OPERATIONS else 'other'}_s")
        return delay


_AWS = NetworkModel(
    name="aws",
    get_s=0.016,
    head_s=0.016,
    list_s=0.029,
    put_s=0.016,
    delete_s=0.016,
    other_s=0.016,
    jitter_sigma=0.1,
    connection_bytes_per_s=52 * _MIB,
    total_bytes_per_s=5e9 / 8,
)

PROFILES: Mapping[str, NetworkModel] = MappingProxyType(
    {
        "aws": _AWS,
        "aws-fast": NetworkModel(
            name="aws-fast",
            get_s=0.010,
            head_s=0.010,
            list_s=0.010,
            put_s=0.010,
            delete_s=0.010,
            other_s=0.010,
            jitter_sigma=_AWS.jitter_sigma,
            connection_bytes_per_s=_AWS.connection_bytes_per_s,
            total_bytes_per_s=_AWS.total_bytes_per_s,
        ),
        "none": NetworkModel(),
    }
)


class Network:
    """The shared state of one model: seeded jitter, the shared links, the request budget.

    Parameters
    ----------
    model
        What to imitate.
    clock
        Seconds, monotonic.
    seed
        Of the jitter: equal seeds give equal delays in order of request.
    """

    def __init__(self, model: NetworkModel, clock: Callable[[], float], seed: int = 0) -> None:
        self.model = model
        self._clock = clock
        self._random = random.Random(seed)
        self._shared_out = _Link(model.total_bytes_per_s)
        self._shared_in = _Link(model.total_bytes_per_s)
        self._tokens = max(model.requests_per_s or 0.0, 1.0)
        self._tokens_at = clock()

    @property
    def paced(self) -> bool:
        """Whether any bandwidth is limited (if not, nobody need ask `Flow`)."""
        return self.model.connection_bytes_per_s is not None or self.model.total_bytes_per_s is not None

    def admit(self) -> bool:
        """Whether a request that arrives now is within the request rate; takes its token."""
        rate = self.model.requests_per_s
        if rate is None:
            return True
        now = self._clock()
        self._tokens = min(max(rate, 1.0), self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def first_byte_s(self, operation: Operation) -> float:
        """The delay of one answer, jitter included."""
        median = self.model.first_byte_s(operation)
        if median == 0.0 or self.model.jitter_sigma == 0.0:
            return median
        return median * math.exp(self.model.jitter_sigma * self._random.gauss(0.0, 1.0))

    def outgoing(self) -> Flow:
        """A connection's link to the client."""
        return Flow(_Link(self.model.connection_bytes_per_s), self._shared_out, self._clock)

    def incoming(self) -> Flow:
        """A connection's link from the client."""
        return Flow(_Link(self.model.connection_bytes_per_s), self._shared_in, self._clock)


class _Link:
    """A serial line: what is put on it leaves in order, at a rate."""

    __slots__ = ("_free_at", "_rate")

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = -math.inf

    def occupy(self, count: int, now: float, not_before: float) -> float:
        if self._rate is None:
            return max(not_before, now)
        start = max(self._free_at, not_before, now - CATCH_UP_S)
        self._free_at = start + count / self._rate
        return self._free_at

    def hold_until(self, moment: float) -> None:
        self._free_at = max(self._free_at, moment)


class Flow:
    """One direction of one connection."""

    __slots__ = ("_clock", "_line", "_not_before", "_shared")

    def __init__(self, line: _Link, shared: _Link, clock: Callable[[], float]) -> None:
        self._line = line
        self._shared = shared
        self._clock = clock
        self._not_before = -math.inf

    def begin(self, moment: float) -> None:
        """A new body starts at `moment`: an idle line has saved nothing up."""
        self._not_before = moment

    def reserve(self, count: int) -> float:
        """When `count` further bytes have arrived, at the earliest."""
        now = self._clock()
        arrives = max(
            self._line.occupy(count, now, self._not_before), self._shared.occupy(count, now, self._not_before)
        )
        self._line.hold_until(arrives)
        return arrives
