"""The process whose image CRIU takes: it runs cells like a kernel, apart from the harness.

``python _session.py FOLDER``; nothing of the harness is imported, so that the image is a notebook's. Request N is a file
``request-N`` that appears in the folder, the answer another; nothing is open while an image is taken. A session that was
restored from an image waits where that one waited: for request N. Instead it finds ``restore-N``, with the names that it is
asked for, gives them in ``given-N`` and ends. The live one is past N by then.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_POLL_S = 0.001


def main(folder: Path) -> None:
    """Serve until the end of the process."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    while True:
        restored, requested = folder / f"restore-{number}", folder / f"request-{number}"
        if restored.exists():
            answer(folder / f"given-{number}", serve(restored, namespace))
            return
        if requested.exists():
            found = serve(requested, namespace)
            requested.unlink()  # so that nobody who waits for it again finds it
            answer(folder / f"answer-{number}", found)
            number += 1
        else:
            time.sleep(_POLL_S)


def serve(path: Path, namespace: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked for; an error of a cell is an answer."""
    request = pickle.loads(path.read_bytes())  # noqa: S301  (the harness wrote it)
    try:
        if "source" in request:
            exec(compile(request["source"], "<cell>", "exec", dont_inherit=True), namespace)  # noqa: S102
        if "variables" in request:
            import dill

            namespace.update(dill.loads(request["variables"]))  # noqa: S301  (the harness wrote it)
        return {"given": given(namespace, request["names"])} if "names" in request else {}
    except Exception:  # noqa: BLE001  (a cell may raise anything; the harness raises it there)
        return {"error": traceback.format_exc()}


def given(namespace: dict[str, Any], names: list[str] | None) -> bytes:
    """Return variables as dill's bytes."""
    import dill

    shown = {name: value for name, value in namespace.items() if not (name[:2] == name[-2:] == "__")}
    wanted = shown if names is None else {name: shown[name] for name in names if name in shown}
    data: bytes = dill.dumps(wanted, protocol=pickle.HIGHEST_PROTOCOL, recurse=True)
    return data


def answer(path: Path, found: dict[str, Any]) -> None:
    """Write a file that is there once it is whole."""
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL))
    part.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
