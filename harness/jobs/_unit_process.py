"""One unit in a process of its own: ``python -m harness.jobs._unit_process``, for workers of any kind.

stdin    one JSON line, the order; closing it stops the unit as Ctrl-C would
stdout   one JSON line for each thing to be told: say, started, finished, again; at last ``result`` or ``error``
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.errors import HarnessError
from harness.ground import GroundOrder, lay_ground
from harness.home import find_home
from harness.leftovers import remove_tree
from harness.slot import Slot, hold_slot
from harness.stopping import stoppable
from harness.unit import UnitOrder, run_unit

__all__ = ["main"]

_INTERRUPTED: Final = 130
_STDIN: Final = 0


class _Voice:
    """A watcher who tells everything to the other end of stdout."""

    def tell(self, **event: object) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        self.tell(say=text)

    def started(self, text: str) -> None:
        self.tell(started=text)

    def finished(self, case: str, seconds: float, text: str) -> None:
        self.tell(finished=[case, seconds, text])

    def again(self, cases: Sequence[str]) -> None:
        self.tell(again=list(cases))


def _do(order: Mapping[str, Any], voice: _Voice) -> dict[str, Any]:
    """Measure the unit, or without one only look at the machine; everything that is kept is in the answer."""
    home, slot = find_home(), Slot(**order["slot"])
    place = slot.place(home)
    with hold_slot(slot, home, voice.say):
        place.prepare()
        ground_order = GroundOrder.from_json(order["ground"])
        with lay_ground(ground_order, home, slot, voice.say, progress=False) as ground:
            unit = order["unit"]
            kept = run_unit(ground, UnitOrder.from_json(unit), place, voice) if unit else None
            answer = {"unit": kept, "facts": ground.facts(), "files": _files(place.folder)}
        remove_tree(place.folder)
    return answer


def _files(folder: Path) -> dict[str, str]:
    found = [*folder.glob("logs/*"), *folder.glob("notebooks/*")]
    return {str(path.relative_to(folder)): path.read_text(errors="replace") for path in sorted(found)}


def _first_line() -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = os.read(_STDIN, 1 << 16)
        if not piece:
            raise HarnessError("the order for a unit was cut short")
        data += piece
    return data


def _end_with_stdin(done: threading.Event) -> None:
    while os.read(_STDIN, 1):
        pass
    if not done.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Do what stdin says."""
    voice, done = _Voice(), threading.Event()
    try:
        with stoppable():
            order = json.loads(_first_line())
            threading.Thread(target=_end_with_stdin, args=(done,), daemon=True).start()
            answer = _do(order, voice)
            done.set()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except HarnessError as error:
        voice.tell(error=str(error))
        return error.exit_code
    voice.tell(result=answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
