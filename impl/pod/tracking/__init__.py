"""What may have changed since the last save.

A managed namespace sees which names code touches. Whatever can be reached from a touched name may have changed, so a save
looks at those pods, and at all that they refer to. Names whose object is another one than at the last save were rebound
by a route that bypasses the namespace (a `global` store in a function). An object with more references than the graph
explains may be changed by whoever holds them: its pod is looked at in every save.

What stays unseen is said in docs/pod-semantics.md.

::

    class Namespace(dict)                       a dict of variables that knows which were touched
        touched_by(watch) -> Touched
        unloaded: tuple[Unloaded, ...]          variables of the loaded version that could not be built
    class Watch                                 what one store remembers of one namespace
    class Touched(names, everything)
    class Unloaded(name, error, reason)
    class Tracking(Protocol)                    touched(namespace, watch) -> Touched
    ByName                                      the names that code touched
    Everything                                  all names, always
    is_variable(name) -> bool                   not a dunder, not IPython's
    variables_of(mapping) -> dict[str, object]  without touching anything
    binds_as_before(mapping, seen) -> bool      whether these are still its variables
"""

from __future__ import annotations

from pod.tracking._namespace import Namespace, Touched, Watch
from pod.tracking._policy import ByName, Everything, Tracking
from pod.tracking._unloaded import Unloaded
from pod.tracking._variables import binds_as_before, is_variable, variables_of

__all__ = [
    "ByName",
    "Everything",
    "Namespace",
    "Touched",
    "Tracking",
    "Unloaded",
    "Watch",
    "binds_as_before",
    "is_variable",
    "variables_of",
]
