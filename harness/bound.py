"""What limits a row: its place on the ladder of ceilings.

    tmpfs            the loader alone: decoding, copying              loader
    null FUSE        + the kernel's FUSE and a daemon without work    fuse
    sim, no network  + the system's own work                          cpu
    sim, network     + waiting for S3                                 s3-latency, bandwidth or cache

All times are ratios to tmpfs of the same run and round. Each step is a share of the row's time; the shares add up to 1.
Where the loader alone takes most of it, the row is at the ceiling and bound by the cpu. Otherwise it is bound by what keeps
it from the ceiling: the largest step above tmpfs. The last step has one name: ``cache`` when most of the bytes would not
have been fetched had the cache held them, ``bandwidth`` when most of a request's time is transfer or the link is full,
else ``s3-latency``. Where a rung was not measured, what lies between its neighbours is unknown, and a row has a name
only if the unknown share could not change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from harness.s3 import PROFILES, NetworkModel

__all__ = ["Bound", "Limit", "Rungs", "Traffic", "bound_of", "network_of"]

Limit = Literal["cpu", "fuse", "s3-latency", "bandwidth", "cache"]
LOADER: Final = "loader"
_AT_CEILING: Final = 0.8
_FULL: Final = 0.8
_MOSTLY: Final = 0.5


@dataclass(frozen=True, slots=True)
class Rungs:
    """Times as ratios to tmpfs: null FUSE, the same system without a network, the row; None: not measured."""

    null: float | None
    no_network: float | None
    row: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a row asked of S3 in one epoch.

    Attributes
    ----------
    requests : by operation
    bytes_fetched, bytes_needed : from S3; by the loader
    seconds : how long the epoch took
    cached_before : whether a cache of the system has seen all files before
    has_cache : whether the system keeps what it fetched, within a limit
    """

    requests: Mapping[str, float]
    bytes_fetched: float
    bytes_needed: float
    seconds: float
    cached_before: bool
    has_cache: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """What limits a row (None: undecided), and what its time consists of, as far as it is known.

    Attributes
    ----------
    shares : the ``loader``'s and each step's share of the row's time
    """

    by: Limit | None
    shares: Mapping[str, float]

    @property
    def unknown(self) -> float:
        """The share of time between rungs that were not measured."""
        return max(0.0, 1 - sum(self.shares.values()))

    @property
    def share(self) -> float | None:
        """How much of the row's time its limit takes; the loader's work is the cpu's, too."""
        if self.by is None:
            return None
        return self.shares.get(self.by, 0.0) + (self.shares[LOADER] if self.by == "cpu" else 0.0)


def network_of(s3: str) -> NetworkModel | None:
    """Return the network of a case's ``params.s3``: ``sim-aws``; None where it is not a simulated one."""
    kind, _, profile = s3.partition("-")
    return PROFILES.get(profile) if kind == "sim" else None


def bound_of(rungs: Rungs, traffic: Traffic | None, network: NetworkModel | None) -> Bound:
    """Place a row on the ladder.

    Parameters
    ----------
    rungs
        Its times. Where it asked nothing of S3, or there is no network, `no_network` is the row itself.
    traffic
        None for a system without S3.
    network
        The simulated network; None for a real one, whose limits are taken for those of ``aws``.
    """
    top = rungs.row
    if traffic is None or not any(traffic.requests.values()) or network == PROFILES["none"]:
        no_network: float | None = top
    else:
        no_network = rungs.no_network
    floor = min(1.0, top)
    # Rungs that noise has put out of order are moved between their neighbours.
    null = None if rungs.null is None else min(max(rungs.null, floor), top)
    steps: dict[Limit, float] = {}
    if null is not None:
        steps["fuse"] = (null - floor) / top
    if no_network is not None:
        no_network = min(max(no_network, null or floor), top)
        if null is not None:
            steps["cpu"] = (no_network - null) / top
        if traffic is not None:
            steps[_waiting(traffic, network or PROFILES["aws"])] = (top - no_network) / top
    loader = floor / top
    by = "cpu" if loader >= _AT_CEILING else _largest(steps, 1 - loader)
    return Bound(by, {LOADER: loader} | {str(step): share for step, share in steps.items()})


def _largest(steps: Mapping[Limit, float], gap: float) -> Limit | None:
    """Return the step that is largest even if all of the gap that is unknown were another's."""
    by = max(steps, key=lambda step: steps[step], default=None)
    return by if by is not None and steps[by] >= gap - sum(steps.values()) else None


def _waiting(traffic: Traffic, network: NetworkModel) -> Limit:
    """Name what the time that a network adds was spent on."""
    fetched = traffic.bytes_fetched
    held = fetched if traffic.cached_before else max(0.0, fetched - traffic.bytes_needed)
    if traffic.has_cache and held > _MOSTLY * fetched:
        return "cache"
    link = network.total_bytes_per_s
    if link is not None and fetched / traffic.seconds > _FULL * link:
        return "bandwidth"
    latency_s = sum(count * network.first_byte_s(name) for name, count in traffic.requests.items())
    transfer_s = fetched / network.connection_bytes_per_s if network.connection_bytes_per_s else 0.0
    return "bandwidth" if transfer_s > latency_s else "s3-latency"
