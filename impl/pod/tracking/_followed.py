"""An exact dict as a namespace, followed by what is told of the code that runs in it."""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING, Any

from pod.tracking._cells import reaches_anything
from pod.tracking._namespace import Touched, Watch
from pod.tracking._shown import explain
from pod.tracking._strays import Strays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pod.tracking._cells import Uses

_RUN_CODE = tuple(
    getattr(builtins, name)
    for name in ("__import__", "breakpoint", "eval", "exec", "globals", "locals", "vars")
)


class Followed(Watch):
    """What one store knows of one exact dict.

    Parameters
    ----------
    namespace
        The dict.
    leads_to_it
        Objects that lead to the whole namespace: whoever uses a variable bound to one may touch anything.
    held
        Returns what a known holder, who lets nobody touch it, holds of the variables' objects, once for each reference.
    """

    __slots__ = ("_held", "_leads", "_may_be_new", "_strays", "namespace")

    def __init__(
        self,
        namespace: dict[str, Any],
        leads_to_it: Iterable[object] = (),
        held: Callable[[], list[object]] = list,
    ) -> None:
        super().__init__()
        self.namespace = namespace
        self._leads = (namespace, builtins, sys.modules.get("__main__"), *_RUN_CODE, *leads_to_it)
        self._held = held
        self._strays = Strays(namespace)
        self._may_be_new = True

    def ran(self, used: Uses) -> None:
        """Note what code used that ran."""
        self.names |= used.names
        self.everything |= used.anything or self.leads_to_everything(used.names)
        self._may_be_new |= used.makes_functions

    def take(self) -> Touched:
        """Return what was touched since the last call, and forget it."""
        names = self._strays.names
        everything = self.everything or self._strays.reach_anything or self.leads_to_everything(names)
        touched = Touched(frozenset(self.names | names), everything)
        self.names, self.everything = set(), False
        return touched

    def leads_to_everything(self, names: Iterable[str]) -> bool:
        """Say whether code that uses these names may touch any."""
        names = list(names)
        return reaches_anything(names) or any(
            value is lead
            for name in names
            if (value := self.namespace.get(name)) is not None
            for lead in self._leads
        )

    def explain(self, count: Callable[[object], None], values: Iterable[object]) -> None:
        """Count the references of the known holder, given the values of the variables that are looked at."""
        explain(self._held(), count, values)

    def saved(self, values: Iterable[object], used: set[str], *, anything: bool) -> None:
        """Note what was saved.

        Parameters
        ----------
        values
            Of the variables that were saved.
        used
            The names that functions use which may have run.
        anything
            Code may have run of which nothing is known.
        """
        made = self._may_be_new or anything or any(names <= used for names in self._strays.makers)
        self._strays.find(values, all_anew=made)
        self._may_be_new = False
