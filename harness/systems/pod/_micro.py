"""The systems of pod-micro."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Final

from harness.systems.pod._files import file_per_save
from harness.systems.pod._picklers import Pickle
from harness.systems.pod._protocol import Registration
from harness.systems.pod._registry import registration
from harness.systems.pod.store import PYTHON_KERNEL

__all__ = ["BASELINE", "MICRO"]

_PICKLE: Final = file_per_save("pickle", lambda _fidelity: Pickle(), lambda: None, platform.python_version)

MICRO: Final[Mapping[str, Registration]] = {
    system.name: system for system in (_PICKLE, registration("dill"), registration("pod"), PYTHON_KERNEL)
}
BASELINE: Final = _PICKLE.name
