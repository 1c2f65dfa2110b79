"""The handicap of the published comparison: cloudpickle on Python's own pickler, not the compiled one."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any, ClassVar, Final

from harness.systems.pod._picklers import Cloudpickle, module_copy, pure_pickler

__all__ = ["PureCloudpickle"]

_NAME: Final = f"{__name__}_copy"


class PureCloudpickle(Cloudpickle):
    """A second copy of the library's module, whose pickler derives from the pure-Python one."""

    about: ClassVar[str] = "cloudpickle, pure Python, protocol 5"

    def __init__(self) -> None:
        super().__init__()
        self._cloudpickle = _copy()


@cache
def _copy() -> Any:
    import cloudpickle.cloudpickle

    compiled: Any = pickle.Pickler
    pure: Any = pure_pickler()
    try:
        pickle.Pickler = pure  # type: ignore[misc]
        module = module_copy(cloudpickle.cloudpickle, _NAME)
    finally:
        pickle.Pickler = compiled  # type: ignore[misc]
    # The library's own table, which only the compiled pickler looks at, hides the one that the pure-Python one needs.
    module.Pickler.dispatch = pure.dispatch
    return module
