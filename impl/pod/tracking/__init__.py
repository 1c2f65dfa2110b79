"""What may have changed since the last save.

A managed namespace sees which names code touches. Whatever can be reached from a touched name may have changed, so a save
looks at those pods, and at all that they refer to. Names whose object is another one than at the last save were rebound
by a route that bypasses the namespace (a `global` store in a function). An object with more references than the graph
explains may be changed by whoever holds them: its pod is looked at in every save.

What stays unseen is said in docs/pod-semantics.md.

::

    class Namespace(dict)                       a dict of variables that knows which were touched
        touched_by(watch) -> Touched
        close_gate(gate), open_gate(gate)       whoever touches a gate's names waits in between
        reading()                               a context in which this thread touches nothing, and waits for no gate
        unloaded: tuple[Unloaded, ...]          variables of the loaded version that could not be built
    class Watch                                 what one store remembers of one namespace
    class Touched(names, everything)
    class Builtins(dict)                        what a managed namespace has as `__builtins__`
    class Gate(names, waited)                   names that only the threads that save may touch
    class Unloaded(name, error, reason)
    class Tracking(Protocol)                    touched(namespace, watch) -> Touched
    tracking_named(name) -> Tracking            "names" or "all"
    ByName                                      the names that code touched
    Everything                                  all names, always
    StaticChecker, PublishedStaticChecker       is_static(source, namespace): whether a cell only reads
    class Followed(Watch)                       what one store knows of an exact dict: by the code that is told to run in it
        ran(uses) -> None
        take() -> Touched
    uses_of_all(codes) -> Uses                  what code uses of its namespace; NOTHING, ANYTHING: what some uses
    is_variable(name) -> bool                   not a dunder, not IPython's
    variables_of(mapping) -> dict[str, object]  without touching anything
    value_of(mapping, name, missing)            what code finds under a name, without touching it
    binds_as_before(mapping, seen) -> bool      whether these are still its variables
"""

from __future__ import annotations

from pod.tracking._builtins import Builtins
from pod.tracking._cells import ANYTHING, NOTHING, Uses, uses_of_all
from pod.tracking._followed import Followed
from pod.tracking._gate import Gate
from pod.tracking._namespace import Namespace, Touched, Watch
from pod.tracking._policy import TRACKINGS, ByName, Everything, Tracking, tracking_named
from pod.tracking._unloaded import Unloaded
from pod.tracking._variables import binds_as_before, is_variable, value_of, variables_of
from pod.tracking.static import PublishedStaticChecker, StaticChecker

__all__ = [
    "ANYTHING",
    "NOTHING",
    "TRACKINGS",
    "Builtins",
    "ByName",
    "Everything",
    "Followed",
    "Gate",
    "Namespace",
    "PublishedStaticChecker",
    "StaticChecker",
    "Touched",
    "Tracking",
    "Unloaded",
    "Uses",
    "Watch",
    "binds_as_before",
    "is_variable",
    "tracking_named",
    "uses_of_all",
    "value_of",
    "variables_of",
]
