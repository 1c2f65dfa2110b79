"""Notebooks as lists of cells that plain `exec` can run."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError

__all__ = ["cells_of"]


def cells_of(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells, in order; empty ones are left out, and not counted.

    What only IPython understands (magics, shell escapes, help) is put into Python as IPython itself does it, where that
    gives a cell that means something without IPython.

    Raises
    ------
    UsageError
        For a file that is no notebook, or a cell that needs IPython or is no Python; the message names it.
    """
    try:
        notebook: Mapping[str, Any] = json.loads(path.read_text())
        found = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"{path} is no notebook of format 4: nbformat's `jupyter nbconvert` makes one"
        ) from None
    sources = filter(str.strip, map("".join, found))
    return [_plain(path, number, source) for number, source in enumerate(sources, 1)]


def _plain(path: Path, number: int, source: str) -> str:
    try:
        ast.parse(source)
    except SyntaxError:
        return _transformed(path, number, source)
    return source


def _transformed(path: Path, number: int, source: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        transform: Callable[[str], str] = TransformerManager().transform_cell  # type: ignore[no-untyped-call]
        plain = transform(source)
        tree = ast.parse(plain)
    except SyntaxError as error:
        raise UsageError(
            f"{path}: code cell {number} is no Python: {error.msg} (line {error.lineno})"
        ) from None
    if any(isinstance(node, ast.Name) and node.id == "get_ipython" for node in ast.walk(tree)):
        kept = plain.splitlines()
        line = next((line for line in source.splitlines() if line not in kept), source)
        raise UsageError(
            f"{path}: code cell {number} needs IPython ({line.strip()}): cells are run by plain exec; take that line out"
        )
    return plain
