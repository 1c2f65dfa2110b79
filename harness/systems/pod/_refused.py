"""Variables that a library refuses are left out of a save, with the reason; the rest is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["LeavingOut", "reason_of"]

_LONGEST_TEXT = 300


def reason_of(error: Exception) -> str:
    """Return what a library said, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_TEXT]


class LeavingOut:
    """Saves what can be saved of many variables that go into one graph.

    They are tried one by one only once all of them together have failed; those that were refused then are tried again
    before the next save, for they may have changed.

    Parameters
    ----------
    attempt
        Does with some variables what saving them does, but keeps nothing; raises what the library raises.
    """

    def __init__(self, attempt: Callable[[Mapping[str, Any]], object]) -> None:
        self._attempt = attempt
        self._known: set[str] = set()

    def save(
        self, variables: Mapping[str, Any], write: Callable[[Mapping[str, Any]], object]
    ) -> dict[str, str]:
        """Give `write` as many variables as it takes; return why the others are left out.

        `write` may be called twice, and is to forget what it did when it raised.
        """
        refused = self._refused({name: variables[name] for name in variables if name in self._known})
        kept = {name: value for name, value in variables.items() if name not in refused}
        try:
            write(kept)
        except MemoryError:
            raise
        except Exception:
            more = self._refused(kept)
            if not more:
                raise
            refused |= more
            write({name: value for name, value in kept.items() if name not in refused})
        self._known = set(refused)
        return refused

    def _refused(self, variables: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for name, value in variables.items():
            try:
                self._attempt({name: value})
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever a library raises is the reason that is reported)
                found[name] = reason_of(error)
        return found
