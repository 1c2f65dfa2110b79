"""What a policy of podding is asked."""

from __future__ import annotations

from typing import Final, Protocol

from pod.graph import BUNDLE, FINAL, SPLIT, module_of

_LAST_DEPTH: Final = 1
_MUST_BUNDLE: Final = (float, int, complex, tuple)


class Podding(Protocol):
    """A policy: which of the objects that it is shown become pods of their own.

    One that is deterministic gives equal graphs equal pods. What it raises is reported as the reason why a variable
    cannot be saved.

    Attributes
    ----------
    apart_least
        Containers of fewer items are never shown: `sys.maxsize` shows none.
    objects
        Whether anything else than containers is shown. A policy that is shown nothing costs nothing.
    """

    @property
    def apart_least(self) -> int: ...

    @property
    def objects(self) -> bool: ...

    def fresh(self) -> Podding:
        """Return the same policy, that has seen nothing yet. A policy is one session's, or has no state."""

    def start(self) -> None:
        """Learn that a save begins, or starts over, for it led into a pod that was thought untouched."""

    def begin(self, root: object, depth: int, /) -> None:
        """Learn that a pod was begun.

        Parameters
        ----------
        root
            A variable's object, one that was decided to SPLIT, or a class.
        depth
            How many open pods it was cut out of: 0 for a variable's. Those that were as deep or deeper are closed, or were
            given up, for a variable could not be saved.
        """

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        """Say what becomes of an object that was met.

        Parameters
        ----------
        value
            The object.
        depth
            That of the pod in which it was met.
        held_bytes
            How much of that pod is written by now.

        Returns
        -------
        int
            BUNDLE: it lies in that pod. SPLIT: it becomes a pod of its own. FINAL: so it does, and nothing below it is shown.
        """


class ShownAll:
    """A policy that is shown all there is, remembers nothing, and cuts nothing out: what others begin with."""

    apart_least = 0
    objects = True

    def fresh(self) -> Podding:
        return self

    def start(self) -> None:
        """Nothing to forget."""

    def begin(self, root: object, depth: int, /) -> None:
        """Nothing to learn."""

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        return BUNDLE


def must_bundle(value: object) -> bool:
    """Say whether a value is of a type of which Chipmink cuts nothing out, whatever the policy."""
    return issubclass(type(value), _MUST_BUNDLE)


def package_of(cls: type) -> str:
    """Return the package that a type is defined in, empty if it does not tell."""
    return module_of(cls).partition(".")[0]


def split(depth: int) -> int:
    """Cut out what was met at a depth, so that there are three levels of pods at most (SPLIT_FINAL_AT_DEP of Chipmink)."""
    return FINAL if depth >= _LAST_DEPTH else SPLIT
