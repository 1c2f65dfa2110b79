"""What the driver notebook does: start the trial's process, show what it said and what it measured."""

from __future__ import annotations

import json
import os
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.children import bound_to_parent
from harness.errors import TrialFailed
from harness.podbench._figures import blocked_s, median_load_s
from harness.podbench._order import Order

__all__ = ["figures", "start", "tail", "verdict"]

_REPOSITORY: Final = Path(__file__).resolve().parents[2]
MB: Final = 1e6


def start(order_file: str) -> dict[str, Any]:
    """Run the trial in a process of its own and return its result.

    Raises
    ------
    TrialFailed
        It gave none; the message is the last line that the process said.
    """
    order = Order.read(Path(order_file))
    environment = {**os.environ, **order.environment}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(_REPOSITORY), *filter(None, [environment.get("PYTHONPATH")])]
    )
    log = Path(order.log)
    with log.open("wb") as output:
        child = subprocess.Popen(
            bound_to_parent([order.python, "-m", "harness.podbench.trial", order_file]),
            cwd=order.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    code = child.wait()
    if code != 0 or not order.result.exists():
        lines = tail(str(log), 1)
        raise TrialFailed(
            f"{lines}" if code in {1, 2} and lines else f"the trial ended with {code}: {lines or 'no output'}"
        )
    result: dict[str, Any] = json.loads(order.result.read_text())
    return result


def tail(log: str, lines: int = 15) -> str:
    """Return the last lines of a log."""
    with Path(log).open(errors="replace") as file:
        return "".join(deque(file, lines)).rstrip()


def verdict(loads: Mapping[str, Any]) -> str:
    """Return ``45 of 45 right``, or what was wrong."""
    said = loads["verdict"]
    right = f"{said['checked'] - said['wrong']} of {said['checked']} right"
    return f"{right}; {said['first_wrong']}" if said["wrong"] else right


def figures(result: Mapping[str, Any]) -> str:
    """Return a small table of what a trial measured."""
    samples = result["samples"]
    rows = {
        "saves": len(result["versions"]),
        "stored, MB": samples["storage_bytes"] / MB,
        "blocked, s a save": blocked_s(result),
        "cells, s": sum(samples["exec_times"]),
        "load, median s": median_load_s(result),
        "cold load, median s": median_load_s(result, "cold"),
        "peak RSS, MB": samples["peak_rss_bytes"] / MB,
        "CPU, s": samples["cpu_s"],
        "loads": verdict(result["warm"]),
        "cold loads": verdict(result["cold"]),
        "unsaved": ", ".join(result["unsaved"]) or "none",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {_shown(value)}" for name, value in rows.items())


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:,.4f}" if isinstance(value, float) else str(value)
