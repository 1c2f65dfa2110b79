"""What runs of the hot path: the compiled kernel's code, or, where that is missing, the Python of `pod.graph` and `_bindings`.

Both write the same bytes and read each other's. A binary that was made of other sources than those beside it is not used.
`POD_KERNEL=python` asks for the ones in Python.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pod.graph import Decoder as _PythonDecoder
from pod.graph import Encoder as _PythonEncoder
from pod.kernel._bindings import binds_the_same as _binds_the_same
from pod.kernel._build import binary_path, source_digest

__all__ = ["Decoder", "Encoder", "binds_the_same", "in_kernel"]


def _compiled() -> Any:
    """Return the compiled module, None if there is none that fits."""
    folder = Path(__file__).parent
    if os.environ.get("POD_KERNEL") == "python" or not binary_path(folder).is_file():
        return None
    try:
        module = importlib.import_module("pod.kernel._kernel")
    except ImportError:
        return None
    return module if source_digest(folder) == module.SOURCE_DIGEST else None


_kernel = _compiled()

if TYPE_CHECKING:
    Decoder = _PythonDecoder
    Encoder = _PythonEncoder
    binds_the_same = _binds_the_same
else:
    Decoder = _PythonDecoder if _kernel is None else _kernel.Decoder
    Encoder = _PythonEncoder if _kernel is None else _kernel.Encoder
    binds_the_same = _binds_the_same if _kernel is None else _kernel.binds_the_same


def in_kernel() -> bool:
    """Say whether the compiled kernel runs."""
    return _kernel is not None
