"""Which pods of one root can be read only while which other is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pod.graph._types import Pod

_NONE: Final = -1


class Nesting:
    """The pods that one root's walk has opened: each was cut out of the one that was open before.

    A pod that leads back into one that it was cut out of, however far out, is read *within* the one that it was cut out of last;
    so is that one, if it is not the one that is led to, for it leads there, too. So what leads back is read in the order in which
    it was written. There may be very many pods, one below the other, so nothing here goes through all that are open; only
    `rename` goes through pods, those that were opened below the innermost.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._pods: list[Pod] = []
        self._open: list[int] = []
        self._outermost: list[int] = []  # for each open pod, the first among them that it leads back to
        self._at: list[int] = []  # where each is among the open ones
        self._within: list[int] = []
        self._up: list[int] = []  # as `_within`, or further out, where that is closed

    def open(self, pod: Pod) -> None:
        """Begin a pod below the innermost."""
        self._numbers[id(pod)] = len(self._pods)
        self._at.append(len(self._open))
        self._within.append(_NONE)
        self._up.append(_NONE)
        self._open.append(len(self._pods))
        self._outermost.append(sys.maxsize)
        self._pods.append(pod)

    def refer(self, pod: Pod) -> None:
        """Note a reference from the innermost pod into another one."""
        number = self._numbers.get(id(pod), _NONE)  # not there: of a root that was written before
        path = []
        while number != _NONE and self._at[number] == _NONE:
            path.append(number)
            number = self._up[number]
        for closed in path:
            self._up[closed] = number
        if number != _NONE:
            self._outermost[-1] = min(self._outermost[-1], self._at[number])

    def close(self) -> None:
        """End the innermost pod."""
        number = self._open.pop()
        outermost = self._outermost.pop()
        self._at[number] = _NONE
        if outermost < len(self._open):
            self._outermost[-1] = min(self._outermost[-1], outermost)
            self._within[number] = self._up[number] = self._open[-1]
            self._pods[number].within = self._pods[self._open[-1]].oid

    def rename(self, oid: int) -> None:
        """Give the innermost pod another oid."""
        number = self._open[-1]
        self._pods[number].oid = oid
        for inner in range(number + 1, len(self._pods)):
            if self._within[inner] == number:
                self._pods[inner].within = oid
