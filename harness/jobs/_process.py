"""The other end of a unit's process: starts it, passes on what it tells, and ends it when nobody wants it any more."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from harness.errors import HarnessError
from harness.ground import GroundOrder
from harness.slot import Slot
from harness.unit import UnitOrder, Watcher

__all__ = ["Unwanted", "order_for", "pass_on", "run_process"]

_POLL_S: Final = 0.2
_STOP_S: Final = 60.0
_COMMAND: Final = ["-m", "harness.jobs._unit_process"]


class Unwanted(HarnessError):
    """A unit was stopped because nobody waits for it any more."""

    code = "unwanted"


def order_for(ground: GroundOrder, unit: UnitOrder | None, slot: Slot) -> dict[str, Any]:
    """Return what a unit's process is told, as JSON."""
    return {"ground": asdict(ground), "unit": asdict(unit) if unit else None, "slot": asdict(slot)}


def pass_on(event: Mapping[str, Any], watcher: Watcher) -> None:
    """Tell a watcher here what a unit's process told."""
    if "say" in event:
        watcher.say(event["say"])
    elif "started" in event:
        watcher.started(event["started"])
    elif "finished" in event:
        watcher.finished(*event["finished"])
    elif "again" in event:
        watcher.again(event["again"])


def run_process(
    order: Mapping[str, Any], hear: Callable[[Mapping[str, Any]], None], wanted: Callable[[], bool]
) -> dict[str, Any]:
    """Run one unit in a fresh process and return its answer.

    Parameters
    ----------
    order
        What `order_for` gave.
    hear
        Called with each thing that the process tells.
    wanted
        Asked several times a second; the process is stopped, and cleans up, when it says no.

    Raises
    ------
    Unwanted
        When it was stopped.
    HarnessError
        When the process failed; a failed trial is a result and no error.
    """
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, *_COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        with child:
            try:
                answer = _answer(child, order, hear, wanted)
            finally:
                _stop(child)
        if "result" in answer:
            result: dict[str, Any] = answer["result"]
            return result
        if "error" in answer:
            raise HarnessError(str(answer["error"]))
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
        raise HarnessError(
            f"a unit's process ended with {child.returncode}: {lines[-1] if lines else 'no output'}"
        )


def _answer(
    child: subprocess.Popen[bytes],
    order: Mapping[str, Any],
    hear: Callable[[Mapping[str, Any]], None],
    wanted: Callable[[], bool],
) -> dict[str, Any]:
    """Pass lines on until the one that ends it; empty when the process ends without one."""
    stdin, stdout = child.stdin, child.stdout
    if stdin is None or stdout is None:
        raise AssertionError("started without pipes")
    with contextlib.suppress(BrokenPipeError):  # it ended at once: its log says why
        stdin.write(json.dumps(order).encode() + b"\n")
        stdin.flush()
    line = b""
    while wanted():
        if not select.select([stdout], [], [], _POLL_S)[0]:
            continue
        piece = os.read(stdout.fileno(), 1 << 16)
        if not piece:
            return {}
        *whole, line = (line + piece).split(b"\n")
        for text in whole:
            event: dict[str, Any] = json.loads(text)
            if "result" in event or "error" in event:
                return event
            hear(event)
    raise Unwanted("stopped: nobody waits for this unit any more")


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
