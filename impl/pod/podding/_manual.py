"""The type-based heuristic of Chipmink: what its users would cut out by hand."""

from __future__ import annotations

import sys
import types
from typing import Final

from pod.graph import BUNDLE, FINAL, SPLIT
from pod.podding._policy import ShownAll, package_of, split

_SPLIT: Final = (list, dict, types.FunctionType, types.ModuleType, types.CodeType)
_FINAL_OF_MODULES: Final = (
    ("numpy", "ndarray"),
    ("pandas", "DataFrame"),
    ("matplotlib.figure", "Figure"),
)
_FINAL_PACKAGES: Final = frozenset({"sklearn"})


class Manual(ShownAll):
    """TbH of Chipmink ("ManualPodding"), the default of the published library.

    Lists, dicts, functions, modules and code become pods; arrays, frames, figures and all that is defined in scikit-learn do for
    good, and so does whatever is cut out of what was cut out. All else is bundled. Strings and bytes, which the published
    one cuts out, are atoms here; classes are pods under every policy.
    """

    def __init__(self) -> None:
        self._of_types: dict[type, int] = {}  # of this save, for a library may be imported before the next

    def fresh(self) -> Manual:
        return Manual()

    def start(self) -> None:
        self._of_types.clear()

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        cls = type(value)
        found = self._of_types.get(cls)
        if found is None:
            found = self._of_types[cls] = _of_type(cls)
        return split(depth) if found == SPLIT else found


def _of_type(cls: type) -> int:
    if issubclass(cls, _final()) or package_of(cls) in _FINAL_PACKAGES:
        return FINAL
    return SPLIT if issubclass(cls, _SPLIT) else BUNDLE


def _final() -> tuple[type, ...]:
    """Return the types of libraries that are imported by now: no object can be of another one."""
    found = ((sys.modules.get(module), name) for module, name in _FINAL_OF_MODULES)
    return tuple(cls for module, name in found if isinstance(cls := getattr(module, name, None), type))
