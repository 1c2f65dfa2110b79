"""One reference run, in a process of its own: ``python -m harness.podworkloads.run order.json``.

Runs the cells in a recording namespace, and after each looks at everything: which names it touched, which files it
opened, what the version measures, and its portraits. Writes ``run.json``, and the portraits, beside the order.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from types import CodeType
from typing import Any, Final

import numpy as np
import zstandard

from harness.oracle import Portrait, portray
from harness.podworkloads._measure import Measure, Measured, mutation_rate
from harness.podworkloads._opened import OpenedFiles
from harness.podworkloads._order import FORMS, SEED, Order, portrait_file, sets_of
from harness.podworkloads._recording import Recording

__all__ = ["main"]

_DATA_SHARE: Final = 0.1


class CellFailed(Exception):
    """A cell raised."""


def _compile(number: int, source: str) -> CodeType:
    return compile(source, f"<cell {number}>", "exec", dont_inherit=True)


def _run_cell(number: int, source: str, namespace: Recording) -> list[str]:
    """Run a cell; return what it warned of."""
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(io.StringIO()):
        warnings.simplefilter("default")
        try:
            exec(_compile(number, source), namespace)  # noqa: S102 - running the cells is the task
        except Exception as error:
            raise CellFailed(
                f"cell {number + 1} failed: {traceback.format_exception_only(error)[-1].strip()}"
            ) from error
    return [f"{each.category.__name__}: {each.message}" for each in caught]


class _Run:
    def __init__(self, order: Order, folder: Path) -> None:
        self._order = order
        self._folder = folder
        self._namespace = Recording({"__name__": "__main__"})
        self._measure = Measure()
        self._versions: list[Measured] = []
        self._data_names: set[str] = set()
        self._existed: frozenset[str] = frozenset()

    def everything(self) -> dict[str, Any]:
        random.seed(SEED)
        np.random.seed(SEED)
        with OpenedFiles(Path(self._order.data) if self._order.data else None) as files:
            cells = [self._cell(number, source, files) for number, source in enumerate(self._order.cells)]
        return {
            "cells": cells,
            "data_names": sorted(self._data_names),
            "mutation_rate": mutation_rate(self._versions) if len(self._versions) > 1 else 0.0,
        }

    def _cell(self, number: int, source: str, files: OpenedFiles) -> dict[str, Any]:
        began = time.perf_counter()
        warned = _run_cell(number, source, self._namespace)
        seconds = time.perf_counter() - began
        read, bound = self._namespace.since()
        opened = files.since()
        whole = portray(self._namespace)
        measured = self._measure.look(
            {name: dict.__getitem__(self._namespace, name) for name in sorted(whole.names)}
        )
        self._versions.append(measured)
        self._namespace.since()  # what was read by looking is nothing that the next cell touches
        self._note_data(sum(opened.values()), bound - self._existed, measured)
        self._existed = whole.names
        sets = sets_of(read | bound, whole.names, {*self._data_names, *self._order.excluded})
        if self._order.keep_portraits:
            data = pickle.dumps(whole, protocol=5)
            portrait_file(self._folder, number).write_bytes(zstandard.compress(data, 1))
        return {
            "touched": sorted((read | bound) & whole.names),
            "bound": sorted(bound & whole.names),
            "exists": sorted(whole.names),
            "opened": sorted(path.name for path in opened),
            "warnings": warned,
            "seconds": seconds,
            "opaque": list(whole.opaque),
            "digests": _digests(whole, sets),
            "name_digests": {name: whole.digest([name]) for name in sorted(whole.names)},
            **asdict(measured),
        }

    def _note_data(self, opened_bytes: int, new: set[str], measured: Measured) -> None:
        if opened_bytes:
            least = _DATA_SHARE * opened_bytes
            self._data_names |= {name for name in new if measured.sizes.get(name, 0) >= least}


def _digests(whole: Portrait, sets: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Return the digests of sets of names, in both forms."""
    found: dict[str, dict[str, str]] = {}
    for form, code in FORMS.items():
        portrait = whole if code else whole.by_name()  # after `whole` was digested: it uses that work again
        if portrait is whole and found:
            found[form] = next(iter(found.values()))
        else:
            each = {
                tuple(names): portrait.digest(names) for names in {tuple(names) for names in sets.values()}
            }
            found[form] = {which: each[tuple(names)] for which, names in sets.items()}
    return found


def main(arguments: list[str]) -> int:
    """Run what the file orders; a cell that fails is a result, too."""
    path = Path(arguments[0]).resolve()
    order = Order(**json.loads(path.read_text()))
    run = _Run(order, path.parent)
    result: dict[str, Any]
    try:
        result = run.everything()
    except CellFailed as failed:
        result = {"failed": str(failed)}
    (path.parent / "run.json").write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
