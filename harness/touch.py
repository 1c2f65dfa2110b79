"""Memory that was used before: a virtual machine's, when it is used first, comes from its host page by page."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["touch_memory"]

_SHARE: Final = 0.6
_TIMEOUT_S: Final = 300.0
_MEMINFO: Final = Path("/proc/meminfo")
# Should memory run out, it is this process that ends.
_CODE: Final = """
import pathlib, sys
pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
bytearray(int(sys.argv[1]))
"""


def touch_memory(needed_bytes: int) -> int:
    """Use memory once, in a process that ends, as far as it is free; return its bytes, 0 where that was not possible.

    The first use of a page costs a guest up to 16 us, forty times what it costs afterwards: whoever happens to come first
    would be measured with it.
    """
    size = min(needed_bytes, int(_available_bytes() * _SHARE))
    if not size:
        return 0
    command = [sys.executable, "-c", _CODE, str(size)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
    except subprocess.SubprocessError:
        return 0
    return size


def _available_bytes() -> int:
    with contextlib.suppress(OSError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0
