"""How it is found out what was touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from pod.tracking._followed import Followed
from pod.tracking._namespace import Namespace, Touched, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tracking(Protocol):
    """A policy. It must be sound: what it does not report as touched must not have been."""

    def touched(self, namespace: Mapping[str, object], watch: Watch) -> Touched:
        """Return what was touched since the last call for this watch, and forget it."""


class ByName:
    """The names that code touched in a managed namespace or a followed dict; in any other mapping, all."""

    def touched(self, namespace: Mapping[str, object], watch: Watch) -> Touched:
        """Return the names that were touched."""
        if isinstance(namespace, Namespace):
            return namespace.touched_by(watch)
        if isinstance(watch, Followed):
            return watch.take()
        return Touched(frozenset(), everything=True)


class Everything:
    """All names, always."""

    def touched(self, namespace: Mapping[str, object], watch: Watch) -> Touched:
        """Return everything."""
        if isinstance(namespace, Namespace):
            namespace.touched_by(watch)
        if isinstance(watch, Followed):
            watch.take()
        return Touched(frozenset(), everything=True)


TRACKINGS: Final = ("names", "all")


def tracking_named(name: str) -> Tracking:
    """Return the policy of that name, one of `TRACKINGS`."""
    return Everything() if name == "all" else ByName()
