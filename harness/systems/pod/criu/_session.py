"""The process whose image CRIU takes: it runs cells like a kernel, apart from the harness.

``python _session.py FOLDER``; nothing of the harness is imported, so that the image is a notebook's. Only dill is, which gives
the variables: else every load would import it. Request N is a file ``request-N`` that appears in the folder, the answer
another; nothing is open while an image is taken. A session that was restored from an image waits where that one waited: for
request N. Instead it finds ``restore-N``, with the names that it is asked for, gives them in ``given-N`` and ends. The live
one is past N by then.

Variables go from process to process by dill, with all that functions among them read: for the globals of a session's
functions are its namespace, and there they are that of the process which takes them.
"""

from __future__ import annotations

import io
import os
import pickle
import random
import sys
import time
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import dill

_POLL_S = 0.001
_NAMESPACE = "namespace"


def main(folder: Path) -> None:
    """Serve until the end of the process."""
    module = sys.modules["__main__"] = ModuleType("__main__")  # the session's, as in a kernel
    namespace = vars(module)
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
        if "seed" in request:
            random.seed(request["seed"])
            sys.meta_path.insert(0, SeededNumpy(request["seed"]))
        if "source" in request:
            exec(compile(request["source"], "<cell>", "exec", dont_inherit=True), namespace)  # noqa: S102
        if "variables" in request:
            take(request["variables"], namespace)
        if "which" in request:
            return {"names": list(variables(namespace))}
        return {"given": given(namespace, request["names"], request["without"])} if "names" in request else {}
    except Exception:  # noqa: BLE001  (a cell may raise anything; the harness raises it there)
        return {"error": traceback.format_exc()}


class SeededNumpy(MetaPathFinder):
    """Seeds numpy when a cell imports it: without that its pages would be in no notebook's image.

    Parameters
    ----------
    number
        The seed.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find `numpy.random` as Python does, and have its loader seed it."""
        if name != "numpy.random":
            return None
        sys.meta_path.remove(self)
        spec: Any = find_spec(name)
        execute = spec.loader.exec_module

        def execute_seeded(module: ModuleType) -> None:
            execute(module)
            module.seed(self._number)

        spec.loader.exec_module = execute_seeded
        found: ModuleSpec = spec
        return found


def variables(namespace: dict[str, Any]) -> dict[str, Any]:
    """Return what cells have bound."""
    return {name: value for name, value in namespace.items() if not (name[:2] == name[-2:] == "__")}


def given(namespace: dict[str, Any], names: list[str] | None, without: list[str]) -> bytes:
    """Return variables, and what functions among them read, as bytes for `take`."""
    shown = {name: value for name, value in variables(namespace).items() if name not in without}
    stream, read = io.BytesIO(), set[str]()

    class Pickler(dill.Pickler):  # type: ignore[misc]
        def persistent_id(self, value: object) -> str | None:
            if value is namespace:
                return _NAMESPACE
            if type(value) is FunctionType and value.__globals__ is namespace:
                read.update(names_in(value.__code__))
            return None

    pickler = Pickler(stream, protocol=pickle.HIGHEST_PROTOCOL)
    wanted = set(shown if names is None else names) & shown.keys()
    done: set[str] = set()
    while more := wanted - done:
        pickler.dump({name: shown[name] for name in shown if name in more})
        done |= more
        wanted |= read & shown.keys()
    return stream.getvalue()


def take(data: bytes, namespace: dict[str, Any]) -> None:
    """Put variables into a namespace, which is that of `__main__`."""

    class Unpickler(dill.Unpickler):  # type: ignore[misc]
        def persistent_load(self, _name: str) -> dict[str, Any]:
            return namespace

    stream = io.BytesIO(data)
    unpickler = Unpickler(stream)
    while stream.tell() < len(data):
        namespace.update(unpickler.load())


def names_in(code: CodeType) -> set[str]:
    """Return the names that code may read as globals."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= names_in(constant)
    return found


def answer(path: Path, found: dict[str, Any]) -> None:
    """Write a file that is there once it is whole."""
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL))
    part.rename(path)


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())  # as `python -m` has it
    main(Path(sys.argv[1]))
