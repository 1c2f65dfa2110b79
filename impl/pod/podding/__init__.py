"""What becomes a pod of its own.

Every variable's object is the root of a pod, unless an earlier variable's pod holds it already; what two pods reach lies in the
first and is referred to by the second. Classes that are stored by value are always pods of their own. A `Podding` decides
about everything else: it is shown objects as they are met.

What is shown is what has an identity in the engine and is written in parts: containers (list, dict, tuple, set, frozenset), and,
to a policy that asks for them, instances and all that is taken apart to be saved: arrays, frames, figures, functions,
modules, unless they are stored by their names. Atoms (str, bytes, int, ...) are no objects to the engine, and a bytearray is
written at once: no policy is shown one, and none becomes a pod. So SplitAll of the published system, which cuts out every str
and bytes, makes more pods than ours. Nor is a container shown that an object is taken apart to, for it need not last.

Cutting costs a record per pod, and buys what can be read, and looked at anew, apart from the rest. Chunks already make a
small change to a large pod a small write, so our own policy, `ByVariable`, cuts nothing more. The others are those of Chipmink
(PVLDB 19, p. 603), for the experiments to switch.

::

    podding_named(text, *, fidelity="fixed") -> Podding      default | manual | lga | const(RATE) | naive | bundle | random |
                                                             random(SEED) | exhaustive(BITS)
    class Podding(Protocol)
        apart_least: int                    containers of fewer items are never shown
        objects: bool                       whether anything else than containers is shown
        fresh() -> Podding                  the same policy, that has seen nothing: each session has its own
        start() -> None                     a save begins, or starts over
        begin(root, depth) -> None          a pod is begun, `depth` below a variable's
        apart(value, depth, held_bytes) -> int      BUNDLE, SPLIT or FINAL
    BUNDLE, SPLIT, FINAL                    in the pod it was met in; a pod of its own; and all below it in that
    ByVariable, BundleAll                   nothing is cut out
    SplitAll                                everything but tuples
    Manual                                  by its type
    LearnedGreedy(volatility)               where the expected bytes are fewer
    RandomPodding(seed)
    Exhaustive(bits)                        decisions that are given
    class Volatility(Protocol)
        rate(value) -> float                the chance that it changes from one save to the next
    Untrained, ConstantVolatility(rate)
    PublishedVolatility(model)              with the defects of the published system
"""

from __future__ import annotations

from pod.graph import BUNDLE, FINAL, SPLIT
from pod.podding._fixed import BundleAll, ByVariable, Exhaustive, RandomPodding, SplitAll
from pod.podding._greedy import LearnedGreedy
from pod.podding._manual import Manual
from pod.podding._named import podding_named
from pod.podding._policy import Podding
from pod.podding._published import PublishedVolatility
from pod.podding._volatility import ConstantVolatility, Untrained, Volatility

__all__ = [
    "BUNDLE",
    "FINAL",
    "SPLIT",
    "BundleAll",
    "ByVariable",
    "ConstantVolatility",
    "Exhaustive",
    "LearnedGreedy",
    "Manual",
    "Podding",
    "PublishedVolatility",
    "RandomPodding",
    "SplitAll",
    "Untrained",
    "Volatility",
    "podding_named",
]
